"""AP and AR of whole tracks: the official YouTube-VIS score."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from vis_bench.metrics import average_precision as ap
from vis_bench.metrics import occlusion
from vis_bench.metrics.matching import IOU_THRESHOLDS, Group, VideoMatches, match_groups
from vis_bench.metrics.overlap import VideoOverlap, sequence_iou

_RANGES = ((0.0, 1e10), (0.0, 128.0**2), (128.0**2, 256.0**2), (256.0**2, 1e10))
AREA_RANGES = np.array(_RANGES)
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
_OCCLUSION_AREAS = {level: len(AREA_RANGES) + k for k, level in enumerate(occlusion.RANGES)}
OCCLUSION_SUMMARIES = (
    *(ap.Summary(f"AP{level}", "precision", None, area, 100) for level, area in _OCCLUSION_AREAS.items()),
    *(ap.Summary(f"AR{level}", "recall", None, area, 100) for level, area in _OCCLUSION_AREAS.items()),
)
"""OVIS: AP and recall of slightly, moderately and heavily occluded objects of any size."""


@dataclass(frozen=True, slots=True)
class ApRules:
    """What counts besides the rules of YouTube-VIS.

    occlusion: the ranges of OVIS follow those of areas. class_agnostic: all categories are one (category 0 in
    the statistics), with 100 predictions in a video. count_crowds: crowd truth has to be found, as in LV-VIS;
    it may still be matched many times. area_ranges: least and largest area in pixels. most: predictions kept
    of a category and video.
    """

    occlusion: bool = False
    class_agnostic: bool = False
    count_crowds: bool = False
    area_ranges: tuple[tuple[float, float], ...] = _RANGES
    most: int = MAX_DETECTIONS[-1]


OFFICIAL = ApRules()


def groups(overlap: VideoOverlap, rules: ApRules = OFFICIAL) -> Iterator[Group]:
    """The tracks of each category of a video, by score (stable), the best of each category, with their IoU.

    Source: youtubevos/cocoapi `YTVOSeval.computeIoU` (`useCats` 0: tracks by category, then by position).
    """
    iou = sequence_iou(overlap)
    every_ignored = outside(overlap.truth_mean_area, rules.area_ranges)
    every_beyond = outside(overlap.mean_area, rules.area_ranges)
    for category, truth, rows in _sets(overlap, rules.class_agnostic):
        ignored, beyond = every_ignored[:, truth], every_beyond[:, rows]
        if rules.occlusion:  # predictions have no occlusion, so that they are outside by their area alone
            hidden = occlusion.outside(overlap.truth_occlusion[truth])
            ignored = np.concatenate([ignored, hidden | ignored[0]])
            beyond = np.concatenate([beyond, np.repeat(beyond[:1], len(hidden), axis=0)])
        if not rules.count_crowds:
            ignored |= overlap.crowd[truth]
        order = np.argsort(-overlap.scores[rows], kind="stable")[: rules.most]
        rows, beyond = rows[order], beyond[:, order]
        yield Group(
            category=category,
            scores=overlap.scores[rows],
            iou=iou[truth[:, None], rows].T,
            crowd=overlap.crowd[truth],
            truth_ignored=ignored,
            outside=beyond,
        )


def per_video(overlap: VideoOverlap, rules: ApRules = OFFICIAL) -> VideoMatches:
    """Match the tracks of one video at ten IoU thresholds in four area ranges (and three of occlusion).

    Source: youtubevos/cocoapi `YTVOSeval.evaluateVid`; qjy981010/cocoapi `OVISeval.evaluateVid`.
    """
    return match_groups(overlap.video_id, groups(overlap, rules), _ranges(rules))


def gather(
    videos: Sequence[VideoMatches], category_ids: Sequence[int], rules: ApRules = OFFICIAL
) -> ap.ApStatistics:
    """Statistics of the data set from those of its videos (all of them, predicted or not)."""
    ids = (0,) if rules.class_agnostic else category_ids
    return ap.gather(videos, ids, _ranges(rules), len(IOU_THRESHOLDS))


def summaries(statistics: ap.ApStatistics) -> tuple[ap.Summary, ...]:
    """The numbers that these statistics hold: twelve, or the eighteen of OVIS."""
    return (*SUMMARIES, *(OCCLUSION_SUMMARIES if len(statistics.matched) > len(AREA_RANGES) else ()))


def reduce(statistics: ap.ApStatistics, weights: np.ndarray) -> dict[str, np.ndarray]:
    """The numbers of `summaries` under video weights [R, V]: arrays [R] in 0..1, NaN where undefined."""
    return ap.reduce(statistics, weights, summaries(statistics))


def reduce_categories(statistics: ap.ApStatistics, weights: np.ndarray) -> dict[str, np.ndarray]:
    """The numbers of `summaries` per category: arrays [R, K], columns as `statistics.category_ids`."""
    return ap.reduce_categories(statistics, weights, summaries(statistics))


def precision_recall(statistics: ap.ApStatistics) -> tuple[np.ndarray, np.ndarray]:
    """The evaluator's precision [T, 101, K, A, M] and recall [T, K, A, M], -1 where undefined."""
    return ap.precision_recall(statistics, MAX_DETECTIONS)


def outside(areas: np.ndarray, ranges: Sequence[Sequence[float]] = _RANGES) -> np.ndarray:
    """Which areas [n] lie outside each of A ranges: [A, n] bool."""
    limits = np.array(ranges, dtype=float)
    return (areas < limits[:, :1]) | (areas > limits[:, 1:])


def _ranges(rules: ApRules) -> int:
    return len(rules.area_ranges) + (len(occlusion.RANGES) if rules.occlusion else 0)


def _sets(overlap: VideoOverlap, class_agnostic: bool) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Category, rows of the truth and rows of the predictions that compete."""
    if class_agnostic:
        yield (
            0,
            np.argsort(overlap.truth_categories, kind="stable"),
            np.argsort(overlap.categories, kind="stable"),
        )
        return
    for category in sorted({*overlap.truth_categories.tolist(), *overlap.categories.tolist()}):
        yield (
            category,
            np.flatnonzero(overlap.truth_categories == category),
            np.flatnonzero(overlap.categories == category),
        )
