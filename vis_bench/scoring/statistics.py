"""What a comparison leaves behind, and its numbers under any weighting of the videos."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from vis_bench.metrics import (
    duplicates,
    frame_ap,
    hota,
    hota_classes,
    mot,
    mots,
    temporal_errors,
    teta,
    video_ap,
)
from vis_bench.metrics.average_precision import ApStatistics, mean_of_defined
from vis_bench.metrics.duplicates import DuplicateCounts
from vis_bench.metrics.hota import HotaStatistics
from vis_bench.metrics.hota_classes import ClassHota
from vis_bench.metrics.mot import MotCounts
from vis_bench.metrics.mots import MotsCounts
from vis_bench.metrics.teta import TetaStatistics
from vis_bench.scoring.operating_point import OperatingPoint
from vis_bench.types import Category

ERROR_SETTING = ("class_agnostic", str(temporal_errors.SCORE_THRESHOLD))

Setting = tuple[str, str]
Name = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Statistics:
    """All that is needed to score any weighting of the videos; holds no masks.

    video_ids: ascending, the columns of every weight matrix. A metric not asked for is None or empty. mot,
    mot_masks, mots, hota: by (class mode, score threshold) as named in the result; hota_classes and teta by
    score threshold. class_groups: category ids by the name of their group. curves: whether HOTA is wanted at
    each threshold, hota: whether its means are. point: which predictions the operating point keeps; point_mot
    and point_hota: class-agnostic, of these. duplicates: by the name of the threshold.
    """

    video_ids: tuple[int, ...]
    categories: tuple[Category, ...]
    metrics: tuple[str, ...]
    video_ap: ApStatistics | None
    video_ap_agnostic: ApStatistics | None
    frame_ap: ApStatistics | None
    frame_ap_official: ApStatistics | None
    mot: dict[Setting, MotCounts]
    mot_masks: dict[Setting, MotCounts]
    mots: dict[Setting, MotsCounts]
    hota: dict[Setting, HotaStatistics]
    hota_classes: dict[str, ClassHota]
    teta: dict[str, TetaStatistics]
    errors: temporal_errors.ErrorCounts | None
    class_groups: dict[str, tuple[int, ...]]
    point: OperatingPoint | None
    point_mot: MotCounts | None
    point_hota: HotaStatistics | None
    duplicates: dict[str, DuplicateCounts]


def reduce(statistics: Statistics, weights: np.ndarray) -> dict[Name, np.ndarray]:
    """Every number under video weights: score, bootstrap and slice are this one function.

    weights: [R, V] float64 >= 0, columns as `statistics.video_ids`. Returns arrays [R] by the path that the
    number has in the result of `evaluate`, for example ("mot", "class_aware", "0.3", "IDF1"); NaN where
    undefined.
    """
    return dict(_numbers(statistics, weights))


def _numbers(statistics: Statistics, weights: np.ndarray) -> Iterator[tuple[Name, np.ndarray]]:
    if statistics.video_ap is not None:
        yield from _video_ap(statistics, statistics.video_ap, weights)
    if statistics.video_ap_agnostic is not None:
        yield from _under(("video_ap_agnostic",), video_ap.reduce(statistics.video_ap_agnostic, weights))
    if statistics.frame_ap is not None:
        yield from _under(("frame_ap",), frame_ap.reduce(statistics.frame_ap, weights))
    if statistics.frame_ap_official is not None:
        yield from _under(("frame_ap_official",), frame_ap.reduce(statistics.frame_ap_official, weights))
    for setting, counts in statistics.mot.items():
        yield from _under(("mot", *setting), mot.reduce(counts, weights))
    for setting, counts in statistics.mot_masks.items():
        yield from _under(("mot_masks", *setting), mot.reduce(counts, weights))
    for setting, mask_counts in statistics.mots.items():
        yield from _under(("mots", *setting), mots.reduce(mask_counts, weights))
    for setting, sums in statistics.hota.items() if "hota" in statistics.metrics else ():
        yield from _under(("hota", *setting), hota.reduce(sums, weights))
    for threshold, classes in statistics.hota_classes.items():
        by_category = hota_classes.reduce_categories(classes, weights, len(statistics.categories))
        yield from _under(("hota_classes", threshold, "mean"), hota_classes.averaged(by_category))
        for k, category in enumerate(statistics.categories):
            one = {name: values[:, k] for name, values in by_category.items()}
            yield from _under(("hota_classes", threshold, "per_category", category.name), one)
    for threshold, teta_sums in statistics.teta.items():
        yield from _under(("teta", threshold), teta.reduce(teta_sums, weights))
    if statistics.errors is not None:
        yield from _under(("errors", *ERROR_SETTING), temporal_errors.reduce(statistics.errors, weights))
    if statistics.point_mot is not None:
        yield from _under(("operating_point", "mot"), mot.reduce(statistics.point_mot, weights))
    if statistics.point_hota is not None:
        yield from _under(("operating_point", "hota"), hota.reduce(statistics.point_hota, weights))
    for above, found in statistics.duplicates.items():
        yield ("duplicates_per_100", above), duplicates.reduce(found, weights)


def _video_ap(
    statistics: Statistics, found: ApStatistics, weights: np.ndarray
) -> Iterator[tuple[Name, np.ndarray]]:
    by_category = video_ap.reduce_categories(found, weights)
    yield from _under(("video_ap",), {name: mean_of_defined(values) for name, values in by_category.items()})
    for summary in video_ap.OCCLUSION_SUMMARIES:  # undefined where nobody labelled occlusion
        if summary.name not in by_category:
            yield ("video_ap", summary.name), np.full(len(weights), np.nan)
    column = {int(category): k for k, category in enumerate(found.category_ids)}
    for category in statistics.categories:
        one = {name: values[:, column[category.id]] for name, values in by_category.items()}
        yield from _under(("per_category", category.name), one)
    for group, ids in statistics.class_groups.items():
        columns = [column[category] for category in ids]
        part = {name: mean_of_defined(values[:, columns]) for name, values in by_category.items()}
        yield from _under(("class_groups", group), part)


def hota_curves(statistics: Statistics) -> dict[str, Any]:
    """HOTA and its parts at each of the 19 thresholds, all videos alike: by class mode and score threshold.

    Lists of 19 fractions by name, beside `alpha`; None where undefined.
    """
    ones = np.ones((1, len(statistics.video_ids)))
    result: dict[str, Any] = {}
    for (mode, threshold), sums in statistics.hota.items():
        curves = {
            name: [None if np.isnan(value) else value for value in values[0].tolist()]
            for name, values in hota.curves(sums, ones).items()
        }
        result.setdefault(mode, {})[threshold] = {"alpha": hota.ALPHAS.tolist(), **curves}
    return result


def _under(path: Name, numbers: dict[str, np.ndarray]) -> Iterator[tuple[Name, np.ndarray]]:
    return (((*path, name), values) for name, values in numbers.items())
