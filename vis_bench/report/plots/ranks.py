"""Who stands where: mean ranks over the videos, and which methods no verdict parts.

The table is as in a critical-difference diagram; intervals and verdicts are those of `vis-bench compare`.
Source: J. Demsar, Statistical Comparisons of Classifiers over Multiple Data Sets, JMLR 7, 2006, Figure 1.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from vis_bench.errors import DataError
from vis_bench.records.rows import Block
from vis_bench.report.plots.values import RunValues
from vis_bench.scoring.statistics import Name
from vis_bench.study import intervals
from vis_bench.study.comparison import Resamples, Scores, resample_videos, score_runs
from vis_bench.study.ranks import Ranked, verdicts

_AP: Name = ("video_ap", "AP")
# what differs by rounding alone is equal
_DIGITS = 9


@dataclass(frozen=True, slots=True)
class Standing:
    """One method. place: of its row. mean, low, high: its rank, 1 is best, with the 95 % interval."""

    place: int
    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Standings:
    """methods: by mean rank. groups: places of methods of which no verdict says that one is better, all such
    groups that no other one holds, by their best method. seeds, videos: behind the ranks.
    """

    methods: tuple[Standing, ...]
    groups: tuple[tuple[int, ...], ...]
    seeds: tuple[int, ...]
    videos: int


def standings(block: Block, rows: Mapping[int, Sequence[RunValues]]) -> Standings | None:
    """The standings of the rows with predictions, by AP; None for fewer than two methods or videos, without
    a seed that all have, and where AP is undefined.
    """
    places = list(rows)
    if len(places) < 2:
        return None
    fixed = [block.rows[place].foreign and len(rows[place]) == 1 for place in places]
    own = [{run.seed for run in rows[place]} for place, one in zip(places, fixed, strict=True) if not one]
    seeds = tuple(sorted(set.intersection(*own))) if own else (rows[places[0]][0].seed,)
    if not seeds:
        return None
    try:
        resamples = resample_videos(rows[places[0]][0].matches, _AP)
        by_run = [_by_run(str(place), rows[place], resamples) for place in places]
    except DataError:
        return None
    ranked = [
        Ranked(_joined(scores), tuple(run.seed for run in rows[place]), one)
        for place, scores, one in zip(places, by_run, fixed, strict=True)
    ]
    values = np.array(
        [
            [
                scores[0 if one else [run.seed for run in rows[place]].index(seed)].videos
                for place, scores, one in zip(places, by_run, fixed, strict=True)
            ]
            for seed in seeds
        ]
    )
    defined = ~np.isnan(values).any(axis=(0, 1))
    if defined.sum() < 2:
        return None
    means, draws = mean_ranks(values[..., defined], resamples.weights[:, defined])
    found = []
    for m, place in enumerate(places):
        mean, low, high = intervals.mean_interval(means[:, m], draws[:, m], int(defined.sum()))
        found.append(Standing(place, mean, max(1.0, low), min(float(len(places)), high)))
    decided = {pair for pair, verdict in verdicts(ranked).items() if verdict in ("better", "worse")}
    order = sorted(range(len(places)), key=lambda m: (found[m].mean, m))
    position = {m: number for number, m in enumerate(order)}
    parted = {tuple(sorted((position[a], position[b]))) for a, b in decided}
    groups = unparted(len(places), parted)
    return Standings(
        tuple(found[m] for m in order),
        tuple(tuple(places[order[number]] for number in group) for group in groups),
        seeds,
        int(defined.sum()),
    )


def _by_run(name: str, runs: Sequence[RunValues], resamples: Resamples) -> list[Scores]:
    """The scores of each seed alone, so that each has its own value on every video."""
    return [score_runs(name, [run.matches], _AP, resamples) for run in runs]


def _joined(scores: Sequence[Scores]) -> Scores:
    """The same seeds as one method."""
    return replace(
        scores[0],
        values=np.concatenate([one.values for one in scores]),
        draws=np.concatenate([one.draws for one in scores]),
        videos=np.mean([one.videos for one in scores], axis=0),
    )


def ranks(values: np.ndarray) -> np.ndarray:
    """Ranks over the methods, 1 for the highest value; equal ones share the mean of their ranks.

    values: [..., M, V]. Returns [..., M, V] float64.
    """
    rounded = np.round(values, _DIGITS)
    others, own = rounded[..., None, :, :], rounded[..., :, None, :]
    equal = (others == own).sum(axis=-2) - 1
    return 1.0 + (others > own).sum(axis=-2) + equal / 2


def mean_ranks(values: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean rank of every seed and method [n, M], and the same under weights of the videos [n, M, R].

    values: [n, M, V] of n seeds, M methods and V videos, defined everywhere. weights: [R, V] >= 0; one that
    draws none of the videos counts as the plain mean.
    """
    found = ranks(values)
    total = weights.sum(axis=1)
    means = found.mean(axis=-1)
    draws = found @ weights.T / np.where(total > 0, total, 1.0)
    return means, np.where(total > 0, draws, means[..., None])


def unparted(count: int, parted: Collection[tuple[int, ...]]) -> list[tuple[int, ...]]:
    """The largest groups of two or more of `count` methods none of whose pairs (a, b), a < b, is parted.

    Source: Bron and Kerbosch, Algorithm 457: finding all cliques of an undirected graph, 1973.
    """
    near = {
        a: {b for b in range(count) if a != b and (min(a, b), max(a, b)) not in parted} for a in range(count)
    }

    def largest(group: set[int], may: set[int], seen: set[int]) -> Iterator[tuple[int, ...]]:
        if not may and not seen:
            yield tuple(sorted(group))
        # a method that goes with most of the others: a group without it holds one that it does not go with
        pivot = max(may | seen, key=lambda one: len(near[one] & may), default=None)
        for one in sorted(may - (near[pivot] if pivot is not None else set())):
            yield from largest(group | {one}, may & near[one], seen & near[one])
            may, seen = may - {one}, seen | {one}

    return sorted(group for group in largest(set(), set(range(count)), set()) if len(group) > 1)
