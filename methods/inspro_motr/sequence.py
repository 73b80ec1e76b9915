"""From frame results to tracks that begin and end: score and class of each.

Source: the paper is silent; as InsPro here (specification 6.5 and D11), over the frames of the track.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from vis_bench.method import FrameDetection, FrameResult, VideoInstance
from vis_bench.types import Rle

SequenceScore = Literal["mean_alive", "mean_present", "max"]


def track_scores(entries: Sequence[FrameDetection], kind: SequenceScore) -> np.ndarray:
    """Class scores [C] of a track from its frames; zeros where "mean_present" has nothing to average.

    mean_alive: mean over the frames from birth to end. mean_present: over those with a mask. max: largest.
    """
    if kind == "mean_present":
        entries = [entry for entry in entries if entry.segmentation is not None] or []
        if not entries:
            return np.zeros(0)
    scores = np.stack([entry.class_scores for entry in entries])
    return scores.max(axis=0) if kind == "max" else scores.mean(axis=0)


def summarise_live_tracks(
    results: Sequence[FrameResult], length: int, kind: SequenceScore, keep: int
) -> list[VideoInstance]:
    """The `keep` best (track, class) pairs of a video of `length` frames, best first, ties by identity.

    A track without a mask in any frame cannot match anything and is left out.
    """
    entries: dict[int, list[FrameDetection]] = {}
    masks: dict[int, dict[int, Rle | None]] = {}
    for result in results:
        for detection in result.detections:
            entries.setdefault(detection.identity, []).append(detection)
            masks.setdefault(detection.identity, {})[result.index] = detection.segmentation
    pairs = [
        (float(score), label, identity)
        for identity, seen in sorted(entries.items())
        if any(mask is not None for mask in masks[identity].values())
        for label, score in enumerate(track_scores(seen, kind))
    ]
    return [
        VideoInstance(label, score, tuple(masks[identity].get(frame) for frame in range(length)))
        for score, label, identity in sorted(pairs, key=lambda pair: -pair[0])[:keep]
    ]
