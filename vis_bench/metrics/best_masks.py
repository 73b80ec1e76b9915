"""What the best masks are worth: are objects found at all, and is then the class right?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vis_bench.metrics.overlap import VideoOverlap, divide_or_zero, frame_iou

COUNTS = ("truth_masks", "found_50", "found_75", "right_class")


def per_video(overlap: VideoOverlap) -> np.ndarray:
    """Counts of one video, int64 [4] in the order of COUNTS, over the masks of the truth in single frames.

    Each mask of the truth (no crowd) looks for its best mask: of all predicted ones in its frame, whatever
    their class and score, the one of the largest IoU; of equal IoU the one of the best score, then the first.
    Predictions are not used up: one may be the best of two objects. found_50, found_75: the best mask has an
    IoU of at least 0.5, 0.75. right_class: it has at least 0.5 and the category of the object.
    """
    counts = np.zeros(len(COUNTS), dtype=np.int64)
    by_score = np.argsort(-overlap.scores, kind="stable")
    rank = np.empty_like(by_score)
    rank[by_score] = np.arange(len(by_score))
    for t, frame in enumerate(overlap.frames):
        counted = ~overlap.crowd[frame.truths]
        counts[0] += counted.sum()
        if not len(frame.predictions):
            continue
        order = np.argsort(rank[frame.predictions])
        iou = frame_iou(overlap, t)[counted][:, order]
        # argmax takes the first of equal ones, which has the best score
        best = iou.argmax(axis=1)
        best_iou = iou[np.arange(len(iou)), best]
        categories = overlap.categories[frame.predictions[order[best]]]
        right = categories == overlap.truth_categories[frame.truths[counted]]
        counts[1:] += [(best_iou >= 0.5).sum(), (best_iou >= 0.75).sum(), ((best_iou >= 0.5) & right).sum()]
    return counts


def gather(videos: Sequence[np.ndarray]) -> np.ndarray:
    """Counts [V, 4] of the data set from those of its videos."""
    return np.array(videos, dtype=np.int64).reshape(-1, len(COUNTS))


def reduce(counts: np.ndarray, weights: np.ndarray) -> dict[str, np.ndarray]:
    """Under video weights [R, V], arrays [R] of fractions in 0..1, NaN where undefined.

    recall_50, recall_75: found masks of the truth over all of them. right_class: masks of the truth whose
    best mask has their class over those found at 0.5.
    """
    truth, found, found_75, right = (weights @ counts).astype(float).T
    return {
        "recall_50": _share(found, truth),
        "recall_75": _share(found_75, truth),
        "right_class": _share(right, found),
    }


def _share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.where(whole > 0, divide_or_zero(part, whole), np.nan)
