"""HOTA of every category by itself, and the mean over categories."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vis_bench.metrics import hota
from vis_bench.metrics.average_precision import mean_of_defined


@dataclass(frozen=True, slots=True)
class ClassHota:
    """Sums of the n pairs of video and category that have a mask.

    category, video: [n] int64 positions in the lists of categories and videos. sums: [n, 19] arrays.
    """

    category: np.ndarray
    video: np.ndarray
    sums: hota.HotaStatistics


def gather(
    videos: Sequence[Sequence[tuple[int, hota.HotaStatistics]]], category_ids: Sequence[int]
) -> ClassHota:
    """From `hota.per_class` of every video, in the order given."""
    row = {category: k for k, category in enumerate(category_ids)}
    parts = [(v, row[category], sums) for v, video in enumerate(videos) for category, sums in video]
    return ClassHota(
        category=np.array([k for _, k, _ in parts], dtype=np.int64),
        video=np.array([v for v, _, _ in parts], dtype=np.int64),
        sums=hota.gather([sums for _, _, sums in parts]),
    )


def reduce_categories(statistics: ClassHota, weights: np.ndarray, categories: int) -> dict[str, np.ndarray]:
    """The numbers of `hota.METRICS` under video weights [R, V]: arrays [R, categories].

    NaN where a category has neither truth nor prediction.
    """
    weights = np.asarray(weights, dtype=float)
    result = {name: np.full((len(weights), categories), np.nan) for name in hota.METRICS}
    for k in np.unique(statistics.category):
        mine = np.flatnonzero(statistics.category == k)
        sums = hota.HotaStatistics(
            *(getattr(statistics.sums, name)[mine] for name in hota.HotaStatistics.__slots__)
        )
        for name, values in hota.reduce(sums, weights[:, statistics.video[mine]]).items():
            result[name][:, k] = values
    return result


def averaged(by_category: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The mean over the categories that have truth or predictions: arrays [R].

    Source: TrackEval `HOTA.combine_classes_class_averaged` with `ignore_empty_classes`.
    """
    return {name: mean_of_defined(values) for name, values in by_category.items()}
