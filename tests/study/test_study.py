"""Resampled videos, and what is done where a resample loses a category."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from vis_bench.errors import DataError
from vis_bench.records.columns import COLUMNS
from vis_bench.study.comparison import (
    MARGIN_POINTS,
    Resamples,
    Scores,
    compare_all,
    nothing_found,
    resample_videos,
    span_of,
)

AP = ("video_ap", "AP")


def statistics(truth: np.ndarray) -> SimpleNamespace:
    """Only what resampling reads: [V, K] objects per video and category, the same in all four area ranges."""
    counts = np.repeat(truth[:, :, None], 4, axis=2)
    return SimpleNamespace(
        video_ids=tuple(range(len(truth))), video_ap=SimpleNamespace(truth_count=counts), frame_ap=None
    )


def test_resamples_have_as_many_videos_and_are_the_same_each_time() -> None:
    found = resample_videos(statistics(np.ones((20, 1))), AP)
    assert found.weights.shape == (1000, 20)
    assert (found.weights.sum(axis=1) == 20).all()
    assert (found.drawn, found.lost, found.class_set_fixed) == (1000, 0, True)
    assert (found.weights == resample_videos(statistics(np.ones((20, 1))), AP).weights).all()
    assert (found.weights != resample_videos(statistics(np.ones((20, 1))), AP, seed=1).weights).any()


def test_resamples_that_lose_a_category_are_drawn_again_and_counted() -> None:
    """Two of 20 videos hold the second category: 0.9^20 = 12 % of all resamples lose it."""
    truth = np.zeros((20, 3))
    truth[:, 0], truth[7:9, 1] = 1, 2  # the third category has no truth anywhere, so none can be lost
    found = resample_videos(statistics(truth), AP)
    assert found.class_set_fixed
    assert len(found.weights) == 1000
    assert (found.weights[:, 7:9].sum(axis=1) > 0).all()
    assert found.lost / found.drawn == pytest.approx(0.122, abs=0.03)


def test_tracking_metrics_have_no_categories_to_lose() -> None:
    truth = np.zeros((20, 1))
    truth[7] = 1
    assert resample_videos(statistics(truth), ("mot", "class_agnostic", "0.3", "IDF1")).lost == 0


def test_where_nearly_all_resamples_lose_a_category_they_are_kept() -> None:
    """Twelve videos with a category each: 12! / 12^12 = 0.005 % of all resamples keep all."""
    found = resample_videos(statistics(np.eye(12)), AP)
    assert not found.class_set_fixed
    assert found.weights.shape == (1000, 12)
    assert found.lost > 0.99 * found.drawn


@pytest.mark.parametrize(
    "truth",
    [
        np.eye(2),  # one resample of two keeps both categories, and weighs the videos as they are
        np.eye(7),  # 7! / 7^7 = 0.6 % of 20,000 do, more than a hundred
        np.array([[1, 1, 1, 1, 0], [1, 1, 1, 0, 1]]),
        np.column_stack([np.ones(20), np.arange(20) == 7]),  # nothing shows how the second category varies
    ],
)
def test_where_the_resamples_that_keep_every_category_are_too_alike_all_are_kept(truth: np.ndarray) -> None:
    found = resample_videos(statistics(truth.astype(float)), AP)
    assert (found.class_set_fixed, found.lost > 0) == (False, True)
    every = np.random.default_rng(0).multinomial(len(truth), [1 / len(truth)] * len(truth), size=1000)
    assert (found.weights == every).all()


def category_scores(name: str, values: np.ndarray, resamples: Resamples) -> Scores:
    """One seed whose metric is the mean of `values` [V], a category per video, over those with a weight."""
    present = resamples.weights > 0
    draws = (present * values).sum(axis=1) / present.sum(axis=1)
    return Scores(name, values.mean(keepdims=True), draws[None], values)


@pytest.mark.parametrize("differences", [(-10.0, -60.0, 70.0, 0.0), (-20.0, -1.0, -3.0, 1.0)])
def test_a_category_per_video_decides_nothing_where_videos_disagree(differences: tuple[float, ...]) -> None:
    values = np.array(differences)
    resamples = resample_videos(statistics(np.eye(len(values))), AP)
    a, b = (category_scores(name, gap, resamples) for name, gap in (("a", values), ("b", 0 * values)))
    (one,) = compare_all([a, b])
    assert one.verdict == "undecided"
    # never narrower than half the variance of a mean over videos
    assert one.difference.video_variance > values.var(ddof=1) / len(values) / 2


def test_an_interval_is_cut_where_no_difference_can_lie() -> None:
    """AP has a span of 100 points; two videos of 90 and 0 points leave far more room by themselves."""
    values = np.array([90.0, 0.0])
    resamples = resample_videos(statistics(np.eye(2)), AP)
    scores = [category_scores(name, gap, resamples) for name, gap in (("a", values), ("b", 0 * values))]
    (wide,), (cut,) = compare_all(scores), compare_all(scores, span=span_of(COLUMNS["AP"]))
    assert wide.difference.low < -100
    assert wide.difference.high > 100
    assert (cut.difference.low, cut.difference.high) == (
        max(wide.difference.low, -100),
        min(wide.difference.high, 100),
    )
    assert (cut.verdict, cut.p) == (wide.verdict, wide.p)


def rare_category(differences: list[float], left_out: bool = True) -> list[Scores]:
    """Eight categories in four videos each, and one in video 32 alone: a minus b on it decides."""
    truth = np.kron(np.eye(9), np.ones((4, 1)))[:33]
    resamples = resample_videos(statistics(truth), AP)
    assert (resamples.class_set_fixed, resamples.lost > 0) == (True, True)
    gap = np.array(differences)
    draws = ((resamples.weights @ (truth * gap[:, None])) / (resamples.weights @ truth)).mean(axis=1)
    value = ((truth * gap[:, None]).sum(axis=0) / truth.sum(axis=0)).mean(keepdims=True)
    zeros = Scores("b", 0 * value, 0 * draws[None], 0 * gap, left_out)
    return [Scores("a", value, draws[None], gap, left_out), zeros]


def test_a_difference_in_a_category_of_one_video_is_undecided() -> None:
    """50 points there and nothing elsewhere: 50 / 9 in every resample, since all have that video."""
    (one,) = compare_all(rare_category([0.0] * 32 + [50.0]))
    assert one.difference.low == pytest.approx(50 / 9) == one.difference.high
    assert (one.verdict, one.videos_hidden) == ("undecided", True)
    # nothing was left out, so it is no matter of categories
    assert not compare_all(rare_category([0.0] * 32 + [50.0], left_out=False))[0].videos_hidden


def test_where_videos_agree_nothing_is_hidden() -> None:
    rounded = [0.3, 0.1 + 0.2] * 16 + [0.3]
    (equal,) = compare_all(rare_category(rounded))
    assert (equal.verdict, equal.videos_hidden) == ("equivalent", False)
    # videos about as different in every category
    (varied,) = compare_all(rare_category([8.0, 12.0] * 16 + [10.0]))
    assert (varied.verdict, varied.videos_hidden) == ("better", False)


def test_one_video_says_nothing() -> None:
    with pytest.raises(DataError, match="two videos"):
        resample_videos(statistics(np.ones((1, 1))), AP)


def scores(name: str, values: list[float], draws: np.ndarray) -> Scores:
    return Scores(name, np.array(values), draws, np.array(values[:1] * 60))


def test_undefined_resamples_are_left_out_for_all_methods() -> None:
    """Draws of a: 1, 2, NaN, of b: 0, 0, 5. Only the first two count: variance 0.5, times 60 / 59."""
    a = scores("a", [1.0], np.array([[1.0, 2.0, np.nan]]))
    b = scores("b", [0.0], np.array([[0.0, 0.0, 5.0]]))
    (one,) = compare_all([a, b])
    assert one.difference.video_variance == pytest.approx(0.5 * 60 / 59)


def test_a_metric_that_is_hardly_ever_defined_is_refused() -> None:
    draws = np.full((1, 100), np.nan)
    draws[0, :9] = 1.0
    with pytest.raises(DataError, match="91 of 100"):
        compare_all([scores("a", [1.0], draws), scores("b", [0.0], np.zeros((1, 100)))])


def test_an_undecided_comparison_needs_more_seeds_than_it_has() -> None:
    """Also beside others, where each has to reach the stricter level of the first step of Holm."""
    rng = np.random.default_rng(3)
    draws = np.zeros((3, 2))
    seen = 0
    for _ in range(200):
        methods = [scores(str(k), list(rng.normal(k, 1, 3)), draws) for k in range(4)]
        for one in compare_all(methods, MARGIN_POINTS, all_pairs=True):
            if one.verdict == "undecided":
                seen += 1
                assert one.seeds_needed is None or one.seeds_needed > 3
                assert one.detectable > abs(one.difference.mean)
    assert seen > 100


def test_methods_that_find_nothing_are_not_called_equivalent() -> None:
    def scored(*points: float) -> Scores:
        return Scores("m", np.array(points), np.zeros((len(points), 3)), np.zeros(4))

    assert "no method reaches 0.5 points" in nothing_found([scored(0.0, 0.2), scored(0.1, 0.3)], 0.5)
    assert nothing_found([scored(0.0, 0.2), scored(0.4, 0.8)], 0.5) == ""
    # MOTA far below zero is a result
    assert nothing_found([scored(-50.0, -40.0), scored(0.1, 0.1)], 0.5) == ""
