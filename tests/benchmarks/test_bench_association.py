"""The association rules on a video of 100 frames with 10 detections each, and the stitching of clips."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch

from methods.tracking.association import AssociationRule, associate, track_with
from methods.tracking.clips import ClipPrediction, add_clip, no_tracks
from methods.tracking.querytrack_association import QueryTrackRule, associate_queries
from methods.tracking.sequence import summarise_tracks
from vis_bench.masks.rle import encode
from vis_bench.method import FrameResult, RawDetections

FRAMES, OBJECTS, WIDTH, CLASSES = 100, 10, 256, 40
MASK = encode(np.eye(16, dtype=bool))


@pytest.fixture(scope="module")
def detections() -> list[RawDetections]:
    """Objects on straight paths whose embeddings jitter."""
    rng = np.random.default_rng(0)
    own = rng.normal(size=(OBJECTS, WIDTH))
    start, speed = rng.uniform(0, 300, (OBJECTS, 2)), rng.uniform(-3, 3, (OBJECTS, 2))
    frames = []
    for t in range(FRAMES):
        corner = start + t * speed
        frames.append(
            RawDetections(
                scores=rng.uniform(0.5, 1, OBJECTS),
                labels=np.arange(OBJECTS) % CLASSES,
                boxes=np.concatenate((corner, corner + 40), axis=1),
                embeddings=own + rng.normal(scale=0.1, size=own.shape),
                segmentations=(MASK,) * OBJECTS,
            )
        )
    return frames


def _rule(name: str):
    if name == "querytrack":
        return lambda frame, bank, index: associate_queries(frame, bank, QueryTrackRule(), index)
    return lambda frame, bank, index: associate(frame, bank, AssociationRule(rule=name), index)


def _track(frames: list[RawDetections], name: str) -> list[FrameResult]:
    return list(track_with(frames, _rule(name), CLASSES))


@pytest.mark.parametrize("name", ["masktrack", "crossvis", "querytrack"])
def test_rule(benchmark, detections: list[RawDetections], name: str) -> None:
    results = benchmark.pedantic(partial(_track, detections, name), rounds=5, warmup_rounds=1)
    assert len({found.identity for result in results for found in result.detections}) == OBJECTS


def test_tracks_from_frame_results(benchmark, detections: list[RawDetections]) -> None:
    results = _track(detections, "masktrack")
    tracks = benchmark.pedantic(summarise_tracks, args=(results, FRAMES), rounds=5, warmup_rounds=1)
    assert len(tracks) == OBJECTS


def test_stitching_of_clips(benchmark) -> None:
    """Clips of 5 frames, one frame apart, 10 predictions with logits of 90x160."""
    torch.manual_seed(0)
    probabilities = torch.rand(OBJECTS, CLASSES)
    logits = torch.randn(OBJECTS, 24, 90, 160)

    def stitch() -> int:
        tracks = no_tracks(CLASSES)
        for first in range(20):
            tracks = add_clip(tracks, ClipPrediction(first, probabilities, logits[:, first : first + 5]))
        return len(tracks.clips)

    assert benchmark.pedantic(stitch, rounds=3, warmup_rounds=1) == OBJECTS
