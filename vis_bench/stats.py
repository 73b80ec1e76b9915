"""Is A better than B, by how much, and would it hold on other videos and seeds: pure functions on arrays.

The default interval is a t interval on the variance between seeds plus the variance over videos of a paired
bootstrap, with Satterthwaite's degrees of freedom. Definitions and reasons: docs/studies.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import stats

Verdict = Literal["better", "worse", "equivalent", "undecided"]
LEVEL = 0.95
POWER = 0.8
MOST_SEEDS = 1000


@dataclass(frozen=True, slots=True)
class Difference:
    """A minus B over n paired seeds, in the unit of the metric.

    seeds: [n] differences per seed. mean, low, high: difference and its interval. seed_variance and
    video_variance: the two parts of the squared standard error. degrees: Satterthwaite's. p: two-sided. With
    one seed the interval covers the choice of videos only.
    """

    seeds: tuple[float, ...]
    mean: float
    low: float
    high: float
    p: float
    seed_variance: float
    video_variance: float
    degrees: float
    videos: int

    @property
    def standard_error(self) -> float:
        """Square root of both variances together."""
        return float(np.sqrt(self.seed_variance + self.video_variance))


def paired_difference(
    a: np.ndarray, b: np.ndarray, a_draws: np.ndarray, b_draws: np.ndarray, videos: int, level: float = LEVEL
) -> Difference:
    """Difference of two methods over the same seeds and the same videos.

    a, b: [n] metric per seed. a_draws, b_draws: [n, R] the same under R weightings of the videos, the same
    ones for all. videos: how many were drawn from. Draws in which either is NaN must have been left out.
    The variance of the draws is multiplied by V / (V - 1), which a bootstrap of V videos is too small by.
    What varies between seeds and videos at once is in both parts, so the interval errs to the wide side.
    Raises ValueError for shapes that do not fit or numbers that are not finite.
    Source: Satterthwaite, An approximate distribution of estimates of variance components, 1946; V / (V - 1):
    Davison and Hinkley, Bootstrap Methods and their Application, 1997, 2.3.
    """
    a, b = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    draws = np.asarray(a_draws, dtype=float) - np.asarray(b_draws, dtype=float)
    if a.ndim != 1 or a.shape != b.shape or draws.ndim != 2 or len(draws) != len(a) or not a.size:
        raise ValueError(f"shapes {a.shape}, {b.shape} and {draws.shape} are not [n], [n] and [n, R]")
    if not (np.isfinite(a).all() and np.isfinite(b).all() and np.isfinite(draws).all()):
        raise ValueError("metrics must be finite")
    seeds = a - b
    n = len(seeds)
    seed_variance = float(seeds.var(ddof=1) / n) if n > 1 else 0.0
    drawn = draws.shape[1] > 1 and videos > 1
    video_variance = float(draws.mean(axis=0).var(ddof=1)) * videos / (videos - 1) if drawn else 0.0
    degrees = satterthwaite((seed_variance, video_variance), (n - 1, videos - 1))
    error = float(np.sqrt(seed_variance + video_variance))
    mean = float(seeds.mean())
    reach = float(stats.t.ppf(0.5 + level / 2, degrees)) * error if error else 0.0
    p = float(2 * stats.t.sf(abs(mean) / error, degrees)) if error else float(mean == 0)
    return Difference(
        seeds=tuple(map(float, seeds)),
        mean=mean,
        low=mean - reach,
        high=mean + reach,
        p=p,
        seed_variance=seed_variance,
        video_variance=video_variance,
        degrees=degrees,
        videos=videos,
    )


def satterthwaite(variances: Sequence[float], degrees: Sequence[int]) -> float:
    """Degrees of freedom of a sum of independent variance estimates; infinite where nothing varies.

    Source: Satterthwaite 1946, equation 17.
    """
    total = sum(variances)
    below = sum(v * v / d for v, d in zip(variances, degrees, strict=True) if v > 0 and d > 0)
    return total * total / below if below > 0 else float("inf")


def mean_interval(
    values: np.ndarray, draws: np.ndarray, videos: int, level: float = LEVEL
) -> tuple[float, float, float]:
    """(mean, low, high) of one method, as `paired_difference` against 0: values [n], draws [n, R]."""
    zeros = np.zeros_like(np.asarray(draws, dtype=float))
    found = paired_difference(values, np.zeros(len(values)), draws, zeros, videos, level)
    return found.mean, found.low, found.high


def holm(p: Sequence[float]) -> list[float]:
    """Adjusted p values in the order given.

    Source: Holm, A simple sequentially rejective multiple test procedure, 1979.
    """
    order = np.argsort(p, kind="stable")
    adjusted = np.empty(len(p))
    running = 0.0
    for rank, index in enumerate(order):
        running = max(running, min(1.0, (len(p) - rank) * p[index]))
        adjusted[index] = running
    return [float(value) for value in adjusted]


def verdict(difference: Difference, p: float, margin: float, level: float = LEVEL) -> Verdict:
    """What the difference allows to say of A against B.

    p: adjusted for all comparisons shown. better, worse: p < 1 - level. equivalent: the whole interval lies
    inside +- margin, although p may be small. undecided otherwise.
    """
    if -margin < difference.low and difference.high < margin:
        return "equivalent"
    if p < 1 - level:
        return "better" if difference.mean > 0 else "worse"
    return "undecided"


def minimum_detectable(
    seed_sd: float, video_variance: float, seeds: int, videos: int, level: float = LEVEL, power: float = POWER
) -> float:
    """Smallest true difference that a study finds with probability `power`.

    seed_sd: standard deviation of the paired difference between seeds. video_variance: as in `Difference`.
    Source: the usual approximation (t_{1-a/2} + t_{power}) * standard error.
    """
    seed_variance = seed_sd**2 / seeds
    degrees = satterthwaite((seed_variance, video_variance), (seeds - 1, videos - 1))
    reach = float(stats.t.ppf(0.5 + level / 2, degrees) + stats.t.ppf(power, degrees))
    return reach * float(np.sqrt(seed_variance + video_variance))


def seeds_to_decide(
    difference: Difference, margin: float = 0.0, level: float = LEVEL, power: float = POWER
) -> int | None:
    """How many seeds would decide if the true difference is the one seen; None: no number of seeds would.

    Deciding is finding the difference, or showing that it is inside +- margin, whichever takes fewer seeds.
    The variance over videos stays as it is. None with one seed as well, since nothing is known about the
    variation between seeds.
    """
    n = len(difference.seeds)
    target = max(abs(difference.mean), margin - abs(difference.mean))
    if n < 2 or target <= 0:
        return None
    seed_sd = float(np.sqrt(difference.seed_variance * n))

    def enough(seeds: int) -> bool:
        variance, videos = difference.video_variance, difference.videos
        return minimum_detectable(seed_sd, variance, seeds, videos, level, power) <= target

    if not enough(MOST_SEEDS):
        return None
    return next(seeds for seeds in range(2, MOST_SEEDS + 1) if enough(seeds))


def probability_of_improvement(a: np.ndarray, b: np.ndarray) -> float:
    """Probability that a run of A beats a run of B, over all pairs of seeds; ties count half.

    Source: Agarwal et al., Deep Reinforcement Learning at the Edge of the Statistical Precipice, 2021, 4.3.
    """
    gap = np.asarray(a, dtype=float)[:, None] - np.asarray(b, dtype=float)[None, :]
    return float(((gap > 0) + 0.5 * (gap == 0)).mean())


def win_tie_loss(a: np.ndarray, b: np.ndarray) -> tuple[int, int, int]:
    """Videos on which A is better, equal, worse: a, b [V] metric per video; videos with NaN are left out."""
    gap = np.asarray(a, dtype=float) - np.asarray(b, dtype=float)
    gap = gap[~np.isnan(gap)]
    return int((gap > 0).sum()), int((gap == 0).sum()), int((gap < 0).sum())
