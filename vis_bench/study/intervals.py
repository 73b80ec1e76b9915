"""Is A better than B, by how much, and would it hold on other videos and seeds: pure functions on arrays.

The default interval is a t interval on the variance between seeds plus the variance over videos of a paired
bootstrap, with Cochran's critical value. Definitions and reasons: docs/studies.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.optimize import brentq
from scipy.special import stdtr, stdtrit

Verdict = Literal["better", "worse", "equivalent", "undecided"]
LEVEL = 0.95
POWER = 0.8
MOST_SEEDS = 1000
_SMALLEST_P = 1e-100
# the same numbers added up in another order differ by less
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Difference:
    """A minus B over n paired seeds, in the unit of the metric.

    seeds: [n] differences per seed. mean, low, high: difference and its interval. seed_variance and
    video_variance: the two parts of the squared standard error. critical: how many standard errors the
    interval reaches. p: two-sided. With one seed the interval covers the choice of videos only.
    """

    seeds: tuple[float, ...]
    mean: float
    low: float
    high: float
    p: float
    seed_variance: float
    video_variance: float
    critical: float
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
    What a seed does on single videos alone varies between seeds and over draws; it counts as seed variance,
    and is taken out of the draws so that it does not count twice.
    Raises ValueError for shapes that do not fit or numbers that are not finite.
    Source: V / (V - 1): Davison and Hinkley, Bootstrap Methods and their Application, 1997, 2.3.
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
    video_variance = _video_variance(draws) * videos / (videos - 1) if videos > 1 else 0.0
    parts, degrees = (seed_variance, video_variance), (n - 1, videos - 1)
    error = float(np.sqrt(sum(parts)))
    mean = float(seeds.mean())
    critical = critical_value(0.5 + level / 2, parts, degrees)
    reach = critical * error
    p = two_sided_p(mean / error, parts, degrees) if error else float(mean == 0)
    return Difference(
        seeds=tuple(map(float, seeds)),
        mean=mean,
        low=mean - reach,
        high=mean + reach,
        p=p,
        seed_variance=seed_variance,
        video_variance=video_variance,
        critical=critical,
        videos=videos,
    )


def _video_variance(draws: np.ndarray) -> float:
    """Variance over draws [n, R] of what the n seeds have in common: two-way analysis of variance."""
    n, replicates = draws.shape
    if replicates < 2:
        return 0.0
    mean = draws.mean(axis=0)
    of_the_mean = float(mean.var(ddof=1))
    if n == 1:
        return of_the_mean
    own = float((draws - mean).var(axis=1, ddof=1).sum()) / (n - 1)
    return max(0.0, of_the_mean - own / n)


def critical_value(quantile: float, variances: Sequence[float], degrees: Sequence[int]) -> float:
    """Quantile of a difference over its standard error, whose square is a sum of variance estimates.

    The t quantiles of the parts, weighted by the parts; 0 where nothing varies. variances: >= 0, each with
    its degrees of freedom, at least 1 where the variance is not 0.
    Source: Cochran, Approximate significance levels of the Behrens-Fisher test, Biometrics 20, 1964.
    """
    parts = [(v, d) for v, d in zip(variances, degrees, strict=True) if v > 0]
    total = sum(v for v, _ in parts)
    return float(sum(v * stdtrit(d, quantile) for v, d in parts) / total) if parts else 0.0


def two_sided_p(t: float, variances: Sequence[float], degrees: Sequence[int]) -> float:
    """The p at which `critical_value` is |t|: smaller than alpha just where the interval leaves out 0.

    At least 1e-100.
    """
    parts = [(v, d) for v, d in zip(variances, degrees, strict=True) if v > 0]
    # with the degrees of freedom of one part alone p is at one of these bounds; stdtrit errs below 1e-150
    bounds = sorted(max(2 * float(stdtr(d, -abs(t))), _SMALLEST_P) for _, d in parts)
    if t == 0 or bounds[0] == bounds[-1]:
        return bounds[-1]

    def gap(log_p: float) -> float:
        return -critical_value(float(np.exp(log_p)) / 2, variances, degrees) - abs(t)

    low, high = np.log(bounds[0]) - 1e-9, min(np.log(bounds[-1]) + 1e-9, 0.0)
    if gap(low) < 0:
        return bounds[0]
    return float(np.exp(brentq(gap, low, high)))


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
    parts, degrees = (seed_sd**2 / seeds, video_variance), (seeds - 1, videos - 1)
    reach = critical_value(0.5 + level / 2, parts, degrees) + critical_value(power, parts, degrees)
    return reach * float(np.sqrt(sum(parts)))


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
    """Videos on which A is better, equal (to 1e-9), worse: a, b [V] metric per video; NaN is left out."""
    gap = np.asarray(a, dtype=float) - np.asarray(b, dtype=float)
    gap = gap[~np.isnan(gap)]
    ties = np.abs(gap) <= _ROUNDING
    return int((gap[~ties] > 0).sum()), int(ties.sum()), int((gap[~ties] < 0).sum())
