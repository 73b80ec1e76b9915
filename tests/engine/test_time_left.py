"""The time that a sweep still takes, by hand."""

import pytest

from vis_bench.engine.process.time_left import TimeLeft


def test_nothing_is_told_before_a_step() -> None:
    left = TimeLeft(["a", "b"], 1)
    assert left.seconds(0) is None
    left.update("a", "train", 0, 10, 0)
    assert left.seconds(5) is None


def test_runs_that_have_not_begun_take_the_mean_of_those_that_have() -> None:
    """a: 2 of 10 steps in 4 s, so 20 s in all and 16 left; b, c: 20 s each."""
    left = TimeLeft(["a", "b", "c"], 1)
    left.update("a", "train", 0, 10, 100)
    left.update("a", "train", 2, 10, 104)
    assert left.seconds(104) == pytest.approx(16 + 2 * 20)
    assert TimeLeft(["a"], 1).seconds(104) is None
    # two side by side: half of the sum, but never less than the longest run
    left.side_by_side = 2
    assert left.seconds(104) == pytest.approx(28)
    left.side_by_side = 9
    assert left.seconds(104) == pytest.approx(20)


def test_tracking_counts_once_it_has_been_seen() -> None:
    """a trains for 10 s, then tracks 1 of 4 videos in 1 s: 3 s left; b: 10 s and 4 s."""
    left = TimeLeft(["a", "b"], 1)
    left.update("a", "train", 0, 5, 0)
    left.update("a", "train", 5, 5, 10)
    left.update("a", "track", 0, 4, 10)
    left.update("a", "track", 1, 4, 11)
    assert left.seconds(11) == pytest.approx(3 + 14)
    left.finished("a", 14)
    assert left.seconds(14) == pytest.approx(14)


def test_a_resumed_training_is_judged_by_what_it_does_now() -> None:
    """It begins at step 90 of 100 and does 2 steps in 4 s: 8 more take 16 s."""
    left = TimeLeft(["a"], 1)
    left.update("a", "train", 90, 100, 0)
    left.update("a", "train", 92, 100, 4)
    assert left.seconds(4) == pytest.approx(16)


def test_weights_that_were_there_are_not_trained_again() -> None:
    left = TimeLeft(["a", "b"], 1)
    left.update("a", "train", 0, 2, 0)
    left.update("a", "train", 1, 2, 10)
    left.update("b", "track", 0, 2, 10)
    left.update("b", "track", 1, 2, 12)
    # a: 10 s and 4 s of tracking, b: 2 s of tracking
    assert left.seconds(12) == pytest.approx((24 - 12) + 4 + 2)
