"""Methods over the same seeds and videos: scores under resampled videos, and every comparison between them.

Works on the statistics of `scoring.statistics`, so that score, interval and win count are one function.
Definitions and reasons: docs/studies.md.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from vis_bench.errors import DataError
from vis_bench.metrics import video_ap
from vis_bench.records.columns import Column
from vis_bench.scoring.statistics import Name, Statistics, reduce
from vis_bench.study import intervals
from vis_bench.study.videos_needed import videos_to_decide

REPLICATES = 1000
RESAMPLING_SEED = 0
MARGIN_POINTS = 0.5
POINTS = 100.0
# batches of resamples drawn in search of ones that keep every category; fewer such ones are not enough
_MOST_BATCHES = 20
_FEWEST_KEPT = 100
# share of the variance over videos that they have to show
_LEAST_SHOWN = 0.5
# share of the variance of a mean over the single videos under which they hide where the videos disagree
_LEAST_OF_VIDEOS = 0.1


@dataclass(frozen=True, slots=True)
class Resamples:
    """Bootstrap weights of the videos, the same for every method and seed.

    weights: [R, V] multiplicities. drawn: how many resamples were drawn. lost: in how many of them a category
    lost all its truth. class_set_fixed: whether those were left out.
    """

    weights: np.ndarray
    drawn: int
    lost: int
    class_set_fixed: bool


@dataclass(frozen=True, slots=True)
class Scores:
    """One method. values: [n] metric per seed; draws: [n, R] under the resamples; videos: [V] the metric of
    each video alone, averaged over the seeds, NaN where undefined. All in points, 100 times the fraction.
    left_out: whether resamples that lose a category were left out.
    """

    name: str
    values: np.ndarray
    draws: np.ndarray
    videos: np.ndarray
    left_out: bool = False


@dataclass(frozen=True, slots=True)
class Comparison:
    """a minus b. p: after Holm. detectable: the smallest true difference found with 80 % probability by as
    many seeds and videos. seeds_needed: None where no number would decide, or one seed tells nothing.
    probability: that a run of a beats a run of b, None with one seed. wins, ties, losses: videos of a.
    videos_hidden: undecided for the reason of `hides_videos`. videos_needed: with one seed, how many videos
    would decide between these fixed checkpoints; None where no number would, or with several seeds.
    """

    a: str
    b: str
    difference: intervals.Difference
    p: float
    verdict: intervals.Verdict
    detectable: float
    seeds_needed: int | None
    probability: float | None
    wins: int
    ties: int
    losses: int
    videos_hidden: bool
    videos_needed: int | None = None


@dataclass(frozen=True, slots=True)
class Study:
    """Everything that `vis-bench compare` says. Numbers in points; intervals: (mean, low, high) by method.

    resamples_drawn, _lost, _used: drawn in all; with a category that lost its truth; behind the intervals.
    scored_above: what a track needs to count, a score or `operating point`; empty where all count.
    no_verdict: why none is given, empty where they are.
    """

    metric: str
    dataset: str
    split: str
    protocol: str
    iou_type: str
    videos: int
    seeds: tuple[int, ...]
    margin: float
    resamples_drawn: int
    resamples_lost: int
    resamples_used: int
    class_set_fixed: bool
    methods: tuple[Scores, ...]
    intervals: tuple[tuple[float, float, float], ...]
    comparisons: tuple[Comparison, ...]
    notes: tuple[str, ...]
    scored_above: str = ""
    no_verdict: str = ""


def nothing_found(scores: Sequence[Scores], margin: float) -> str:
    """Why being alike says nothing here: no method reaches the margin (points). Empty where one does."""
    if all(0 <= float(np.mean(one.values)) < margin for one in scores):
        return f"no method reaches {margin:g} points, and likeness there says nothing about the methods"
    return ""


def resample_videos(
    statistics: Statistics, path: Name, replicates: int = REPLICATES, seed: int = RESAMPLING_SEED
) -> Resamples:
    """Draw V of V videos with replacement, `replicates` times; equal seeds give equal resamples.

    path: the metric as in `scoring.statistics.reduce`. For a mean over categories the set of categories is
    kept: resamples in which one loses all its truth are drawn again. Where nearly all do, or the others are
    so alike that the metric would hardly vary over them, all are kept, and each is a mean over the categories
    that it has. Raises DataError for fewer than two videos.
    """
    count = len(statistics.video_ids)
    if count < 2:
        raise DataError("A comparison needs at least two videos: one says nothing about others.")
    rng = np.random.default_rng(seed)
    has_truth = _truth_by_category(statistics, path)
    first = rng.multinomial(count, np.full(count, 1 / count), size=replicates).astype(float)
    batch, kept, drawn, lost = first, np.zeros((0, count)), 0, 0
    for number in range(_MOST_BATCHES):
        if number:
            batch = rng.multinomial(count, np.full(count, 1 / count), size=replicates).astype(float)
        whole = (batch @ has_truth > 0).all(axis=1)
        drawn, lost = drawn + replicates, lost + int((~whole).sum())
        kept = np.concatenate([kept, batch[whole]])
        if len(kept) >= replicates:
            break
    kept = kept[:replicates]
    if len(kept) < min(_FEWEST_KEPT, replicates) or (lost and _shown(kept, has_truth) < _LEAST_SHOWN):
        return Resamples(first, drawn, lost, class_set_fixed=False)
    return Resamples(kept, drawn, lost, class_set_fixed=True)


def _shown(weights: np.ndarray, truth: np.ndarray) -> float:
    """Share of the variance over videos of a mean over categories that these resamples show.

    weights: [R, V], none of which loses a category; truth: [V, K] objects. For objects whose values vary
    alike and independently between videos and categories. A category in one video shows nothing of its
    variance, however often that video is drawn.
    """
    videos = len(truth)
    shown = 0.0
    for objects in truth.T:
        drawn = weights * objects
        shown += (drawn / drawn.sum(axis=1, keepdims=True)).var(axis=0, ddof=1).sum()
    actual = ((truth / truth.sum(axis=0)) ** 2).sum()
    return float(shown * videos / (videos - 1) / actual)


def _truth_by_category(statistics: Statistics, path: Name) -> np.ndarray:
    """[V, K] number of objects that count for the metric, of the categories that have any."""
    area = 0
    if path[0] == "video_ap" and statistics.video_ap is not None:
        every = (*video_ap.SUMMARIES, *video_ap.OCCLUSION_SUMMARIES)
        area = next(summary.area for summary in every if summary.name == path[-1])
        counts = statistics.video_ap.truth_count
        if area >= counts.shape[2]:
            raise DataError(f"{path[-1]} is undefined: the annotations have no labels of occlusion.")
    elif path[0] == "frame_ap" and statistics.frame_ap is not None:
        counts = statistics.frame_ap.truth_count
    else:
        return np.zeros((len(statistics.video_ids), 0))
    truth = counts[:, :, area]
    return truth[:, truth.any(axis=0)]


def score_runs(name: str, runs: Sequence[Statistics], path: Name, resamples: Resamples) -> Scores:
    """The metric of every seed of a method: as it is, under the resamples, and on each video alone.

    Raises DataError where the metric is undefined on the whole data set.
    """
    count = len(runs[0].video_ids)
    weights = np.concatenate([np.ones((1, count)), np.eye(count), resamples.weights])
    rows = POINTS * np.stack([reduce(run, weights)[path] for run in runs])
    if np.isnan(rows[:, 0]).any():
        raise DataError(f"{name}: {path[-1]} is undefined on these videos. Choose another --metric.")
    draws, videos = rows[:, 1 + count :], rows[:, 1 : 1 + count].mean(axis=0)
    return Scores(name, rows[:, 0], draws, videos, resamples.class_set_fixed and resamples.lost > 0)


def defined_everywhere(methods: Sequence[Scores]) -> np.ndarray:
    """[R] which resamples give a number for every method and seed; only those are used.

    Raises DataError where they are under a tenth: variance of the few would be taken for that of the videos.
    """
    kept = ~np.isnan(np.concatenate([one.draws for one in methods])).any(axis=0)
    if kept.sum() < max(2, len(kept) // 10):
        raise DataError(
            f"The metric is undefined in {(~kept).sum()} of {len(kept)} resamples of the videos, "
            "so how it varies over videos is unknown. Choose another --metric."
        )
    return kept


def hides_videos(a: Scores, b: Scores, kept: np.ndarray) -> bool:
    """Whether the difference hardly varies over resamples only because others lose a category.

    That of single videos varies then, such as where one video holds a category alone and is in every
    resample. kept: [R].
    """
    # what differs by rounding alone is equal
    gap = np.round(a.videos - b.videos, 9)
    gap = gap[~np.isnan(gap)]
    if not a.left_out or gap.size < 2:
        return False
    seen = (a.draws - b.draws)[:, kept].mean(axis=0).var(ddof=1)
    return bool(seen < _LEAST_OF_VIDEOS * gap.var(ddof=1) / gap.size)


def mean_interval(method: Scores, kept: np.ndarray, column: Column) -> tuple[float, float, float]:
    """(mean, low, high) of one method over its seeds and videos, in points; kept: [R].

    The interval is cut at the ends of the range of the column's metric.
    """
    mean, low, high = intervals.mean_interval(method.values, method.draws[:, kept], len(method.videos))
    least, largest = (100 * bound for bound in column.bounds)
    return mean, max(least, low), min(largest, high)


def span_of(column: Column) -> float:
    """The largest difference of two values of a column, in points."""
    least, largest = column.bounds
    return 100 * (largest - least)


def compare_all(
    methods: Sequence[Scores],
    margin: float = MARGIN_POINTS,
    all_pairs: bool = False,
    withheld: bool = False,
    span: float = math.inf,
) -> tuple[Comparison, ...]:
    """The first method against each other one, or every pair; p adjusted over these comparisons.

    margin: points within which two methods count as equivalent. withheld: every verdict is `undecided`. span:
    the largest difference that the metric can have, in points; intervals are cut there.
    """
    pairs = list(combinations(methods, 2))
    if not all_pairs:
        pairs = [pair for pair in pairs if pair[0] is methods[0]]
    kept = defined_everywhere(methods)
    differences = [
        intervals.paired_difference(a.values, b.values, a.draws[:, kept], b.draws[:, kept], len(a.videos))
        for a, b in pairs
    ]
    differences = [replace(one, low=max(one.low, -span), high=min(one.high, span)) for one in differences]
    adjusted = intervals.holm([difference.p for difference in differences])
    # what a comparison has to reach beside the others, by the first and strictest step of Holm
    level = 1 - (1 - intervals.LEVEL) / max(1, len(pairs))
    return tuple(
        _comparison(a, b, difference, p, margin, level, hides_videos(a, b, kept), withheld)
        for (a, b), difference, p in zip(pairs, differences, adjusted, strict=True)
    )


def _comparison(
    a: Scores,
    b: Scores,
    difference: intervals.Difference,
    p: float,
    margin: float,
    level: float,
    hidden: bool,
    withheld: bool,
) -> Comparison:
    wins, ties, losses = intervals.win_tie_loss(a.videos, b.videos)
    return Comparison(
        a=a.name,
        b=b.name,
        difference=difference,
        p=p,
        verdict="undecided" if hidden or withheld else intervals.verdict(difference, p, margin),
        detectable=detectable(difference, len(a.values), level),
        seeds_needed=intervals.seeds_to_decide(difference, margin, level),
        probability=intervals.probability_of_improvement(a.values, b.values) if len(a.values) > 1 else None,
        wins=wins,
        ties=ties,
        losses=losses,
        videos_hidden=hidden,
        videos_needed=videos_to_decide(difference, margin, level) if len(a.values) == 1 else None,
    )


def detectable(difference: intervals.Difference, seeds: int, level: float = intervals.LEVEL) -> float:
    """Minimum detectable effect of a study like this one with another number of seeds.

    One seed: of the fixed checkpoints, the variation between trainings left out.
    """
    n = len(difference.seeds)
    seed_sd = float(np.sqrt(difference.seed_variance * n)) if seeds > 1 else 0.0
    return intervals.minimum_detectable(seed_sd, difference.video_variance, seeds, difference.videos, level)
