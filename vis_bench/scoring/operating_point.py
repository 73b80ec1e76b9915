"""The operating point: the score threshold that is best for a method, chosen on other videos than those
scored.

Three sources. `val`: chosen on a split of its own, with the same weights. `cross-fit`: the videos are halved
by their names, and each half is scored at the threshold that is best on the other one. `same videos`: there
are too few to halve, so that the scored ones choose for themselves, and no verdict comes of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from vis_bench.data.splits import name_hash
from vis_bench.metrics import operating_point
from vis_bench.scoring.measure import Comparison, comparison, grid_counts
from vis_bench.types import Dataset, IouType, Track

Source = Literal["val", "cross-fit", "same videos"]
FEWEST_TO_HALVE = 8


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """thresholds: one for all videos, or those that are best on the first and on the second half of them.

    above: the threshold of each video by id; predictions are kept whose score is strictly greater. With two
    halves it is the threshold of the other one.
    """

    thresholds: tuple[float, ...]
    source: Source
    above: Mapping[int, float]

    def head(self) -> dict[str, Any]:
        """How a record says it: thresholds, metric, source."""
        return {
            "thresholds": list(self.thresholds),
            "metric": operating_point.METRIC,
            "source": self.source,
        }


def second_half(dataset: Dataset) -> np.ndarray:
    """Which videos, by ascending id, are in the second half of the order of their names' SHA-256: [V] bool.

    The first half has one more where the number is odd.
    """
    videos = sorted(dataset.videos, key=lambda video: video.id)
    order = sorted(range(len(videos)), key=lambda k: (name_hash(videos[k].name), videos[k].id))
    result = np.zeros(len(videos), dtype=bool)
    result[order[(len(videos) + 1) // 2 :]] = True
    return result


def placed(thresholds: Sequence[float], source: Source, dataset: Dataset) -> OperatingPoint:
    """Thresholds that were chosen before, such as those of a record, for the videos of `dataset`.

    dataset: all videos that were scored then, since the halves are made of all of them.
    """
    ids = sorted(video.id for video in dataset.videos)
    if len(thresholds) == 1:
        return OperatingPoint(tuple(thresholds), source, dict.fromkeys(ids, thresholds[0]))
    first, second = thresholds
    above = {
        video: first if late else second
        for video, late in zip(ids, second_half(dataset).tolist(), strict=True)
    }
    return OperatingPoint((first, second), source, above)


def recorded(record: Mapping[str, Any], dataset: Dataset) -> OperatingPoint | None:
    """The operating point of a record, held fixed; None for a record without one. dataset: as `placed`."""
    head = record.get("operating_point")
    return None if head is None else placed(head["thresholds"], head["source"], dataset)


def best_on(dataset: Dataset, tracks: Sequence[Track], iou_type: IouType = "segm") -> float:
    """The threshold of the grid with the best class-agnostic IDF1 on all videos of `dataset`."""
    counts = grid_counts(comparison(dataset, tracks, ("mot",), iou_type))
    return operating_point.best_threshold(counts, np.ones(len(dataset.videos)))


def chosen_on_scored(work: Comparison, jobs: int = 1) -> OperatingPoint:
    """The operating point where no other videos are at hand: halves of the scored ones, or all where few."""
    return chosen(grid_counts(work, jobs), work.dataset)


def chosen(counts: operating_point.GridCounts, dataset: Dataset) -> OperatingPoint:
    """As `chosen_on_scored`, from the counts of all videos of `dataset`, by ascending video id."""
    late = second_half(dataset)
    if len(late) < FEWEST_TO_HALVE:
        best = operating_point.best_threshold(counts, np.ones(len(late)))
        return placed((best,), "same videos", dataset)
    halves = tuple(operating_point.best_threshold(counts, part) for part in (~late, late))
    return placed(halves, "cross-fit", dataset)
