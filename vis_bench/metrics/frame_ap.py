"""AP of single frames: what a method is worth as a detector, with identities left out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from vis_bench.metrics import average_precision as ap
from vis_bench.metrics.matching import IOU_THRESHOLDS, Group, VideoMatches, match_groups
from vis_bench.metrics.overlap import VideoOverlap, divide_or_zero, frames_of, iou_of

MAX_DETECTIONS = 100
SUMMARIES = (
    ap.Summary("AP", "precision", None, 0, MAX_DETECTIONS),
    ap.Summary("AP50", "precision", 0, 0, MAX_DETECTIONS),
)


def groups(overlap: VideoOverlap, count_empty: bool = False) -> Iterator[Group]:
    """The masks of each frame and category, by the score of their track (stable), at most 100.

    count_empty: a mask without a pixel is a detection, or an object to be found, as the official code has it.

    The IoU with crowd truth is intersection over the predicted area, as in COCO; video AP uses plain IoU.
    Source: pycocotools `COCOeval.computeIoU`.
    """
    frames = frames_of(overlap, overlap.written_truth, overlap.written) if count_empty else overlap.frames
    for t, frame in enumerate(frames):
        iou = iou_of(overlap, t, frame)
        crowd = overlap.crowd[frame.truths]
        iou[crowd] = divide_or_zero(frame.intersection, overlap.area[frame.predictions, t][None, :])[crowd]
        truth_categories = overlap.truth_categories[frame.truths]
        categories = overlap.categories[frame.predictions]
        scores = overlap.scores[frame.predictions]
        order = np.argsort(-scores, kind="stable")
        for category in np.union1d(truth_categories, categories):
            truth = np.flatnonzero(truth_categories == category)
            rows = order[categories[order] == category][:MAX_DETECTIONS]
            yield Group(
                category=int(category),
                scores=scores[rows],
                iou=iou[truth[:, None], rows].T,
                crowd=crowd[truth],
                truth_ignored=crowd[None, truth],
                outside=np.zeros((1, len(rows)), dtype=bool),
            )


def per_video(overlap: VideoOverlap, count_empty: bool = False) -> VideoMatches:
    """Match the masks of one video frame by frame; every mask counts with the score of its track."""
    return match_groups(overlap.video_id, groups(overlap, count_empty), 1)


def gather(videos: Sequence[VideoMatches], category_ids: Sequence[int]) -> ap.ApStatistics:
    """Statistics of the data set from those of its videos."""
    return ap.gather(videos, category_ids, 1, len(IOU_THRESHOLDS))


def reduce(statistics: ap.ApStatistics, weights: np.ndarray) -> dict[str, np.ndarray]:
    """AP and AP50 under video weights [R, V]: arrays [R] in 0..1, NaN where undefined."""
    return ap.reduce(statistics, weights, SUMMARIES)
