"""Intervals, verdicts and adjusted p values against numbers worked out by hand or by scipy."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from vis_bench.study.intervals import (
    Difference,
    critical_value,
    holm,
    mean_interval,
    minimum_detectable,
    paired_difference,
    probability_of_improvement,
    seeds_to_decide,
    two_sided_p,
    verdict,
    win_tie_loss,
)

NO_DRAWS = np.zeros((3, 1))


def difference(mean: float, reach: float, seeds: int = 3, seed_variance: float = 1.0) -> Difference:
    return Difference(
        seeds=(mean,) * seeds,
        mean=mean,
        low=mean - reach,
        high=mean + reach,
        p=0.5,
        seed_variance=seed_variance,
        video_variance=0.0,
        critical=2.0,
        videos=60,
    )


def test_without_video_variance_it_is_the_paired_t_test() -> None:
    a, b = np.array([3.0, 5.0, 4.0]), np.array([1.0, 2.0, 3.0])
    found = paired_difference(a, b, NO_DRAWS, NO_DRAWS, videos=60)
    expected = scipy_stats.ttest_rel(a, b)
    low, high = expected.confidence_interval(0.95)
    assert (found.mean, found.critical) == (2.0, pytest.approx(4.302653))
    assert found.p == pytest.approx(expected.pvalue)
    assert (found.low, found.high) == (pytest.approx(low), pytest.approx(high))


def test_both_variances_by_hand() -> None:
    """Differences 1 and 3: mean 2, variance 2, over 2 seeds 1. Draws of their mean 1, 2, 3: variance 1.

    The seeds differ from it by -1, 0, 0 and 1, 0, 0: variances 1/3 and 1/3, over 2 x 1 is 1/3. What the
    seeds share is 1 - 1/3, times 11 / 10 that is 11/15. t of 1 and of 10 degrees are weighted with 1, 11/15.
    """
    a, b = np.array([1.0, 3.0]), np.zeros(2)
    draws = np.array([[0.0, 2.0, 3.0], [2.0, 2.0, 3.0]])
    found = paired_difference(a, b, draws, np.zeros((2, 3)), videos=11)
    assert (found.seed_variance, found.video_variance) == (1.0, pytest.approx(11 / 15))
    squared = 1 + 11 / 15
    critical = (1.0 * 12.706205 + 11 / 15 * 2.228139) / squared
    assert found.critical == pytest.approx(critical)
    reach = critical * math.sqrt(squared)
    assert (found.low, found.high) == (pytest.approx(2 - reach), pytest.approx(2 + reach))
    assert found.standard_error == pytest.approx(math.sqrt(squared))


def test_the_videos_are_paired() -> None:
    """Both methods rise and fall together over the draws, so the videos add no uncertainty."""
    shared = np.random.default_rng(0).normal(size=(3, 200))
    found = paired_difference(np.full(3, 2.0), np.full(3, 1.0), shared + 1, shared, videos=60)
    assert found.video_variance == pytest.approx(0.0, abs=1e-20)
    assert found.mean == 1.0


def test_what_a_seed_does_alone_does_not_count_as_video_variance() -> None:
    """Independent draws of each seed: the variance of their mean is all their own, up to chance."""
    own = np.random.default_rng(0).normal(size=(4, 20000))
    found = paired_difference(np.arange(4.0), np.zeros(4), own, np.zeros_like(own), videos=60)
    assert found.video_variance < 0.01  # 0.25 were it not taken out


def test_one_seed_covers_the_videos_only() -> None:
    found = paired_difference(np.array([2.0]), np.array([1.0]), np.array([[0.0, 2.0]]), np.zeros((1, 2)), 60)
    assert (found.seed_variance, found.critical) == (0.0, pytest.approx(2.000995, abs=1e-6))
    assert found.video_variance == pytest.approx(2.0 * 60 / 59)


def test_with_one_seed_and_a_mean_over_videos_it_is_the_t_test_over_videos() -> None:
    """All 4^4 resamples of four videos: the variance of their means is s^2 / 4 exactly, after V / (V - 1)."""
    gap = np.array([1.0, 4.0, -2.0, 3.0])
    picks = np.array(list(itertools.product(range(4), repeat=4)))
    draws = gap[picks].mean(axis=1)[None]
    found = paired_difference(gap.mean()[None], np.zeros(1), draws, np.zeros_like(draws), 4)
    expected = scipy_stats.ttest_1samp(gap, 0.0)
    # the sample variance of the 256 draws has the divisor 255
    assert found.video_variance * 255 / 256 == pytest.approx(gap.var(ddof=1) / 4)
    assert found.p == pytest.approx(expected.pvalue, abs=2e-3)


def test_nothing_varies() -> None:
    same = paired_difference(np.ones(3), np.ones(3), NO_DRAWS, NO_DRAWS, 60)
    assert (same.low, same.mean, same.high, same.p) == (0.0, 0.0, 0.0, 1.0)
    apart = paired_difference(np.ones(3), np.zeros(3), NO_DRAWS, NO_DRAWS, 60)
    assert (apart.low, apart.high, apart.p) == (1.0, 1.0, 0.0)


@pytest.mark.parametrize(
    ("a", "draws"),
    [([1.0, 2.0], NO_DRAWS), ([[1.0]], NO_DRAWS), ([math.nan, 1.0, 1.0], NO_DRAWS), ([], np.zeros((0, 1)))],
)
def test_wrong_shapes_and_numbers_are_refused(a, draws) -> None:
    with pytest.raises(ValueError, match=r"shapes|finite"):
        paired_difference(np.array(a), np.array(a), draws, draws, 60)


def test_interval_of_one_method_is_the_t_interval() -> None:
    values = np.array([1.0, 2.0, 6.0])
    low, high = scipy_stats.t.interval(0.95, 2, 3.0, values.std(ddof=1) / math.sqrt(3))
    assert mean_interval(values, NO_DRAWS, 60) == (3.0, pytest.approx(low), pytest.approx(high))


def test_critical_value_by_hand() -> None:
    """t of 2 degrees is 4.303, of 59 degrees 2.001; three parts to one."""
    assert critical_value(0.975, (3.0, 1.0), (2, 59)) == pytest.approx((3 * 4.302653 + 2.000995) / 4)
    assert critical_value(0.975, (0.0, 1.0), (0, 59)) == pytest.approx(2.000995)
    assert critical_value(0.975, (0.0, 0.0), (2, 59)) == 0.0


@given(
    st.floats(0.01, 50), st.floats(0.001, 10), st.floats(0.001, 10), st.integers(1, 9), st.integers(1, 500)
)
def test_p_is_where_the_interval_ends_at_zero(t: float, v: float, w: float, n: int, videos: int) -> None:
    p = two_sided_p(t, (v, w), (n, videos))
    assert 0 < p < 1
    assert critical_value(1 - p / 2, (v, w), (n, videos)) == pytest.approx(t, rel=1e-3) or p < 1e-9
    assert two_sided_p(-t, (v, w), (n, videos)) == p


def test_p_of_nothing_and_of_much() -> None:
    assert two_sided_p(0.0, (1.0, 1.0), (2, 59)) == pytest.approx(1.0)
    assert 0 <= two_sided_p(1e9, (1e-9, 1.0), (2, 59)) < 1e-9


@pytest.mark.parametrize("t", [49.0, 75.0, 590.0, 1e6])
@pytest.mark.parametrize("videos", [140, 400, 533, 1000])
def test_p_of_a_difference_of_very_many_standard_errors(t: float, videos: int) -> None:
    """The t quantile of three degrees of freedom is wrong at the p of 399 degrees and 75 standard errors."""
    for weights in ((0.5, 0.5), (0.001, 0.999)):
        p = two_sided_p(t, weights, (3, videos - 1))
        assert -critical_value(p / 2, weights, (3, videos - 1)) == pytest.approx(t, rel=1e-3)
    # the share of the few degrees is too small to lift p to what can be told from 0
    assert two_sided_p(t, (1e-60, 1.0), (3, 2999)) < 1e-50


def test_interval_of_one_method_far_from_zero() -> None:
    """Four seeds of IDF1 about 70 that vary by half a point: 140 standard errors and more above 0."""
    draws = 70 + np.array([[-0.1, 0.1]] * 4) * math.sqrt(0.5)
    mean, low, high = mean_interval(np.array([69.5, 70.5, 70.0, 70.0]), draws, 533)
    # variances 1/6 / 4 between seeds, 0.01 over videos
    critical = critical_value(0.975, (1 / 24, 0.01 * 533 / 532), (3, 532))
    assert (mean, high - mean) == (70.0, pytest.approx(critical * math.sqrt(1 / 24 + 0.01 * 533 / 532)))
    assert low == pytest.approx(140 - high)


def test_holm_by_hand() -> None:
    """0.01 x 3, 0.02 x 2, 0.04 x 1, each at least as large as the one before, at most 1."""
    assert holm([0.04, 0.01, 0.02]) == pytest.approx([0.04, 0.03, 0.04])
    assert holm([0.5, 0.6]) == [1.0, 1.0]
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), max_size=8))
def test_holm_keeps_the_order_and_never_lowers(p: list[float]) -> None:
    adjusted = holm(p)
    assert all(0 <= before <= after <= 1 for before, after in zip(p, adjusted, strict=True))
    order = np.argsort(p, kind="stable")
    assert (np.diff(np.array(adjusted)[order]) >= 0).all()


@pytest.mark.parametrize(
    ("mean", "reach", "p", "expected"),
    [
        (2.0, 1.0, 0.01, "better"),
        (-2.0, 1.0, 0.01, "worse"),
        (2.0, 1.0, 0.06, "undecided"),
        (0.1, 0.3, 0.5, "equivalent"),
        (0.3, 0.1, 0.001, "equivalent"),
        (0.1, 0.4, 0.5, "undecided"),
        (0.2, 5.0, 0.9, "undecided"),
    ],
)
def test_verdicts(mean: float, reach: float, p: float, expected: str) -> None:
    assert verdict(difference(mean, reach), p, margin=0.5) == expected


def test_minimum_detectable_difference_by_hand() -> None:
    """sd 2 over 4 seeds: standard error 1, 3 degrees: t 3.182 + 0.978."""
    assert minimum_detectable(2.0, 0.0, 4, 60) == pytest.approx(3.18245 + 0.97847, abs=1e-4)
    assert minimum_detectable(2.0, 0.0, 16, 60) < minimum_detectable(2.0, 0.0, 4, 60)


def test_seeds_to_decide_is_the_first_number_that_is_enough() -> None:
    seen = difference(2.0, 1.0, seeds=3, seed_variance=4.0 / 3)  # sd 2 between seeds
    needed = seeds_to_decide(seen)
    assert needed is not None
    assert minimum_detectable(2.0, 0.0, needed, 60) <= 2.0 < minimum_detectable(2.0, 0.0, needed - 1, 60)


def test_no_number_of_seeds_helps_against_too_few_videos() -> None:
    """A video variance of 4 is a standard error of 2, whatever the number of seeds."""
    few = Difference((1.0, 1.2), 1.1, -1, 3, 0.5, 0.01, 4.0, 2.0, 60)
    assert seeds_to_decide(few) is None
    assert seeds_to_decide(difference(1.0, 1.0, seeds=1)) is None


def test_a_difference_inside_the_margin_is_decided_by_showing_that() -> None:
    """0.1 with margin 0.5: reaching 0.4 takes fewer seeds than reaching 0.1."""
    seen = difference(0.1, 1.0, seeds=3, seed_variance=0.04 / 3)  # sd 0.2 between seeds
    alone, within = seeds_to_decide(seen), seeds_to_decide(seen, margin=0.5)
    assert alone is not None
    assert within is not None
    assert minimum_detectable(0.2, 0.0, alone, 60) <= 0.1
    assert minimum_detectable(0.2, 0.0, within, 60) <= 0.4 < minimum_detectable(0.2, 0.0, within - 1, 60)
    assert seeds_to_decide(difference(0.0, 1.0)) is None


def test_probability_of_improvement_by_hand() -> None:
    """Pairs (1, 1) tie, (1, 2) lose, (3, 1) and (3, 2) win: (0.5 + 0 + 1 + 1) / 4."""
    assert probability_of_improvement(np.array([1.0, 3.0]), np.array([1.0, 2.0])) == 0.625


def test_win_tie_loss_leaves_undefined_videos_out() -> None:
    assert win_tie_loss(np.array([1.0, 2.0, 3.0, np.nan]), np.array([0.0, 2.0, 5.0, 1.0])) == (1, 1, 1)


def test_sums_in_another_order_are_a_tie() -> None:
    """0.1 + 0.2 + 0.3 is 0.6000000000000001 and 0.3 + 0.2 + 0.1 is 0.6."""
    a = np.array([0.1 + 0.2 + 0.3, 0.3 + 0.2 + 0.1, 1.0, 0.0])
    b = np.array([0.3 + 0.2 + 0.1, 0.1 + 0.2 + 0.3, 0.0, 1.0])
    assert win_tie_loss(a, b) == (1, 2, 1)
