"""Duplicates: masks on an object that a better-scored mask of the same frame already covers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vis_bench.metrics.hota import PresentTracks

MIN_IOU = 0.5
"""A mask covers an object if their IoU in the frame is strictly greater."""
SCORE_THRESHOLD = 0.05


@dataclass(frozen=True, slots=True)
class DuplicateCounts:
    """Counts of one video (ints), or of V videos ([V] int64 arrays).

    object_frames: objects with pixels (or a box with area), over all frames. duplicates: predictions, over
    all frames, that are one too many.
    """

    object_frames: np.ndarray | int
    duplicates: np.ndarray | int


def per_video(video: PresentTracks, above: float) -> DuplicateCounts:
    """Count one video for the predictions with score > `above`, categories ignored.

    A prediction is one too many in a frame if it covers an object there that a prediction with a higher score
    covers too; of equal scores the first one given counts as the better one. A prediction counts once a
    frame, however many objects it covers. Crowd truth is an object like any other.
    """
    order = np.argsort(-video.scores, kind="stable")
    order = order[video.scores[order] > above]
    covers = video.iou[:, :, order] > MIN_IOU
    # the first one of every object and frame is its detection, all others come after a better one
    too_many = covers & (np.cumsum(covers, axis=2) > 1)
    return DuplicateCounts(int(video.present_truth.sum()), int(too_many.any(axis=1).sum()))


def gather(videos: Sequence[DuplicateCounts]) -> DuplicateCounts:
    """Counts of several videos as [V] int64 arrays, in the order given."""
    return DuplicateCounts(
        *(np.array([getattr(video, name) for video in videos], dtype=np.int64) for name in _FIELDS)
    )


def reduce(counts: DuplicateCounts, weights: np.ndarray) -> np.ndarray:
    """Duplicates per 100 object frames under video weights [R, V]: [R], NaN without objects."""
    weights = np.asarray(weights, dtype=float)
    frames, duplicates = weights @ counts.object_frames, weights @ counts.duplicates
    return np.divide(100 * duplicates, frames, out=np.full(len(frames), np.nan), where=frames > 0)


_FIELDS = ("object_frames", "duplicates")
