"""AP and AR of whole tracks: the official YouTube-VIS score."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from vis_bench.metrics import average_precision as ap
from vis_bench.metrics.matching import IOU_THRESHOLDS, Group, VideoMatches, match_groups
from vis_bench.metrics.overlap import VideoOverlap, sequence_iou

AREA_RANGES = np.array([[0, 1e10], [0, 128**2], [128**2, 256**2], [256**2, 1e10]], dtype=float)
"""all, small, medium, large: pixels, inclusive at both ends."""
MAX_DETECTIONS = (1, 10, 100)
SUMMARIES = (
    ap.Summary("AP", "precision", None, 0, 100),
    ap.Summary("AP50", "precision", 0, 0, 100),
    ap.Summary("AP75", "precision", 5, 0, 100),
    ap.Summary("APs", "precision", None, 1, 100),
    ap.Summary("APm", "precision", None, 2, 100),
    ap.Summary("APl", "precision", None, 3, 100),
    ap.Summary("AR1", "recall", None, 0, 1),
    ap.Summary("AR10", "recall", None, 0, 10),
    ap.Summary("AR100", "recall", None, 0, 100),
    ap.Summary("ARs", "recall", None, 1, 100),
    ap.Summary("ARm", "recall", None, 2, 100),
    ap.Summary("ARl", "recall", None, 3, 100),
)


def groups(overlap: VideoOverlap) -> Iterator[Group]:
    """The tracks of each category of a video, by score (stable), cut at 100 per category, with their IoU.

    Source: youtubevos/cocoapi `YTVOSeval.computeIoU`.
    """
    iou = sequence_iou(overlap)
    for category in np.union1d(overlap.truth_categories, overlap.categories):
        truth = np.flatnonzero(overlap.truth_categories == category)
        rows = np.flatnonzero(overlap.categories == category)
        rows = rows[np.argsort(-overlap.scores[rows], kind="stable")][: MAX_DETECTIONS[-1]]
        yield Group(
            category=int(category),
            scores=overlap.scores[rows],
            iou=iou[truth[:, None], rows].T,
            crowd=overlap.crowd[truth],
            truth_outside=outside(overlap.truth_mean_area[truth]),
            outside=outside(overlap.mean_area[rows]),
        )


def per_video(overlap: VideoOverlap) -> VideoMatches:
    """Match the tracks of one video at ten IoU thresholds in four area ranges.

    Source: youtubevos/cocoapi `YTVOSeval.evaluateVid`.
    """
    return match_groups(overlap.video_id, groups(overlap), len(AREA_RANGES))


def gather(videos: Sequence[VideoMatches], category_ids: Sequence[int]) -> ap.ApStatistics:
    """Statistics of the data set from those of its videos (all of them, predicted or not)."""
    return ap.gather(videos, category_ids, len(AREA_RANGES), len(IOU_THRESHOLDS))


def reduce(statistics: ap.ApStatistics, weights: np.ndarray) -> dict[str, np.ndarray]:
    """The twelve numbers under video weights [R, V]: arrays [R] in 0..1, NaN where undefined."""
    return ap.reduce(statistics, weights, SUMMARIES)


def reduce_categories(statistics: ap.ApStatistics, weights: np.ndarray) -> dict[str, np.ndarray]:
    """The twelve numbers per category: arrays [R, K], columns as `statistics.category_ids`."""
    return ap.reduce_categories(statistics, weights, SUMMARIES)


def precision_recall(statistics: ap.ApStatistics) -> tuple[np.ndarray, np.ndarray]:
    """The evaluator's precision [T, 101, K, A, M] and recall [T, K, A, M], -1 where undefined."""
    return ap.precision_recall(statistics, MAX_DETECTIONS)


def outside(areas: np.ndarray) -> np.ndarray:
    """Which areas [n] lie outside each range: [A, n] bool."""
    return (areas < AREA_RANGES[:, :1]) | (areas > AREA_RANGES[:, 1:])
