"""How often the verdict is wrong on equal methods and right on different ones, by simulation.

Studies as in test_bench_coverage.py; prints the second table of docs/studies.md.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from test_bench_coverage import REGIMES, VIDEOS, simulate

from vis_bench.study.comparison import MARGIN_POINTS
from vis_bench.study.intervals import Verdict, minimum_detectable, paired_difference, verdict

MAIN_REGIMES = ("seed-dominated", "balanced", "video-dominated")
SEED_NUMBERS = (2, 3, 5)
STUDIES, STUDIES_WITH_EFFECT = 1000, 300
RESAMPLES = 200


def verdicts(regime: str, seeds: int, difference: float, studies: int) -> Counter[Verdict]:
    """The verdicts of simulated studies with this true difference in points."""
    rng = np.random.default_rng([seeds, MAIN_REGIMES.index(regime), int(100 * difference)])
    found: Counter[Verdict] = Counter()
    for _ in range(studies):
        weights = rng.multinomial(VIDEOS, np.full(VIDEOS, 1 / VIDEOS), size=RESAMPLES) / VIDEOS
        study = simulate(REGIMES[regime], seeds, rng, difference)
        a, b = study.a.mean(axis=1), study.b.mean(axis=1)
        one = paired_difference(a, b, study.a @ weights.T, study.b @ weights.T, VIDEOS)
        found[verdict(one, one.p, MARGIN_POINTS)] += 1
    return found


def true_detectable(regime: str, seeds: int) -> float:
    """The minimum detectable effect from the variances that the simulation has, not from estimates."""
    between, over_videos, rest = REGIMES[regime]
    return minimum_detectable(np.sqrt(3 * (between + rest)), over_videos, seeds, VIDEOS)


def test_few_studies_of_each_kind() -> None:
    """100 studies tell 5 % from 20 %, and 80 % from half."""
    equal = verdicts("balanced", 3, 0.0, 100)
    assert equal["better"] + equal["worse"] <= 12
    twice = verdicts("balanced", 3, 2 * true_detectable("balanced", 3), 100)
    assert (twice["better"] >= 80, twice["worse"]) == (True, 0)


@pytest.mark.slow
@pytest.mark.parametrize("regime", MAIN_REGIMES)
def test_verdicts_on_equal_and_on_different_methods(regime: str) -> None:
    """At most 7 % of equal methods are told apart; at least 80 % of differences of twice the effect are."""
    for seeds in SEED_NUMBERS:
        effect = true_detectable(regime, seeds)
        equal = verdicts(regime, seeds, 0.0, STUDIES)
        once, twice = (verdicts(regime, seeds, k * effect, STUDIES_WITH_EFFECT) for k in (1, 2))
        wrong = (equal["better"] + equal["worse"]) / STUDIES
        powers = [found["better"] / STUDIES_WITH_EFFECT for found in (once, twice)]
        print(f"| {regime} | {seeds} | {wrong:.3f} | {effect:.2f} | {powers[0]:.3f} | {powers[1]:.3f} |")
        assert wrong <= 0.07, (regime, seeds, equal)
        assert powers[1] >= 0.80, (regime, seeds, twice)
        assert twice["worse"] == 0
