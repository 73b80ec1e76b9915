"""Detection: two equal objects that touch are told apart, at places that training has not shown.

A method can learn one clip by heart, have every loss fall and yet give one mask to both, or none of its own
to either: what it then does in a video says nothing about how it follows objects.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment

from vis_bench.engine.contract.result import Check, Outcome, broken, passed
from vis_bench.engine.contract.scenes import Scene, as_clip, as_dataset, draw_look_alikes, write_video
from vis_bench.engine.contract.subject import Subject, take_steps
from vis_bench.engine.track import track_video
from vis_bench.masks import rle
from vis_bench.types import Box, Dataset, Track

ROUNDS, ROUND_STEPS = 4, 100
"""At most so many rounds of training steps, each to the end of the method's schedule; the first after which
enough is found ends the check."""
STILLS_PER_STEP = 4
PLACEMENTS = 20
ENOUGH = 0.8
"""Share of the placements at which both objects have to be found."""
MIN_IOU = 0.5
# placements of training have seeds from here on, those that are looked at lie below
_FIRST_OF_TRAINING = 1000
_FRAMES = 2


def separates(subject: Subject) -> Outcome:
    """Train on drawn pairs of equal objects that touch, then find both of a pair at 20 other places.

    A still is shown as a clip of equal frames. Both are found where two predictions overlap one each with IoU
    above 0.5, whatever their class: a mask of both has at most one half. The backbone starts from nothing, so
    it learns at the rate of the rest.
    """
    model, done = subject.build().train(), 0
    phase = dataclasses.replace(subject.phases[0], backbone_lr_factor=1.0)
    with TemporaryDirectory() as folder:
        scenes = [draw_look_alikes(seed, _FRAMES) for seed in range(PLACEMENTS)]
        dataset = _dataset(Path(folder), scenes)
        for _ in range(ROUNDS):
            take_steps(model, [_stills(subject, done + step) for step in range(ROUND_STEPS)], phase)
            done += ROUND_STEPS
            found = sum(
                objects_found(tracks, scene) == 2
                for tracks, scene in zip(_tracked(subject, model, dataset), scenes, strict=True)
            )
            if found >= ENOUGH * PLACEMENTS:
                break
    said = (
        f"after {done} steps on {STILLS_PER_STEP} stills, both of two equal objects that touch are found at "
        f"{found} of {PLACEMENTS} other places"
    )
    return passed(said) if found >= ENOUGH * PLACEMENTS else broken(f"{said}; {ENOUGH:.0%} are needed")


def _stills(subject: Subject, step: int) -> list[Any]:
    first = _FIRST_OF_TRAINING + step * STILLS_PER_STEP
    return [as_clip(draw_look_alikes(first + i, subject.clip_frames)) for i in range(STILLS_PER_STEP)]


def _dataset(folder: Path, scenes: Sequence[Scene]) -> Dataset:
    videos = [write_video(folder, n, f"pair {n}", scene) for n, scene in enumerate(scenes, start=1)]
    return as_dataset(folder, videos)


def _tracked(subject: Subject, model: Any, dataset: Dataset) -> list[tuple[Track, ...]]:
    """The tracks of each video, with torch seeded as in a run."""
    model.eval()
    found = []
    for video in dataset.videos:
        torch.manual_seed(0)
        found.append(track_video(model, dataset, video, "cpu", subject.spec.info.iou_type).tracks)
    model.train()
    return found


def objects_found(tracks: Sequence[Track], scene: Scene) -> int:
    """How many objects of the first frame have a prediction of their own with IoU above `MIN_IOU`.

    Boxes are compared where tracks have no masks.
    """
    overlap = np.array([[_iou(track, truth) for truth in scene.masks[0]] for track in tracks])
    if not overlap.size:
        return 0
    rows, columns = linear_sum_assignment(overlap > MIN_IOU, maximize=True)
    return int((overlap[rows, columns] > MIN_IOU).sum())


def _iou(track: Track, truth: np.ndarray) -> float:
    mask = track.segmentations[0]
    if mask is not None:
        own = rle.decode(mask).astype(bool)
        return float((own & truth).sum() / (own | truth).sum())
    box = None if track.boxes is None else track.boxes[0]
    return 0.0 if box is None else _box_iou(box, rle.tight_box(rle.encode(truth)))


def _box_iou(one: Box, other: Box) -> float:
    sides = [
        max(0.0, min(one[i] + one[i + 2], other[i] + other[i + 2]) - max(one[i], other[i])) for i in (0, 1)
    ]
    common = sides[0] * sides[1]
    union = one[2] * one[3] + other[2] * other[3] - common
    return common / union if union > 0 else 0.0


LOOK_ALIKES = Check(
    "look-alikes",
    "Look at what a query, point or anchor can know of its place: without positions, equal pixels get equal "
    "masks. Then at matching (one prediction for each object) and at mask and box targets.",
    separates,
)
