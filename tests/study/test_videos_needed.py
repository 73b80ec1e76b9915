"""How many videos would decide between two files of predictions."""

import pytest

from vis_bench.study.intervals import Difference, minimum_detectable
from vis_bench.study.videos_needed import videos_to_decide


def difference(mean, video_variance, videos):
    return Difference((mean,), mean, mean - 1, mean + 1, 0.5, 0.0, video_variance, 2.0, videos)


def test_by_hand():
    """(1.95996 + 0.84162)^2 = 7.84888; times variance 1 of 100 videos, over 0.28 squared: 10,011 videos."""
    found = videos_to_decide(difference(0.28, 1.0, 100))
    # t quantiles at so many degrees of freedom are a trifle larger than those of the normal distribution
    assert 10_011 <= found <= 10_020
    # half the difference takes four times as many
    assert videos_to_decide(difference(-0.14, 1.0, 100)) == pytest.approx(4 * found, rel=1e-3)


def test_it_is_the_first_number_that_is_enough():
    one = difference(0.6, 0.25, 421)
    found = videos_to_decide(one)

    def smallest(videos):
        return minimum_detectable(0.0, 0.25 * 421 / videos, 1, videos)

    assert smallest(found) <= 0.6 < smallest(found - 1)


def test_no_number_would_do():
    assert videos_to_decide(difference(0.0, 1.0, 100)) is None
    assert videos_to_decide(difference(1e-6, 1.0, 100)) is None
    # what is well inside the margin is decided by showing that it is
    assert videos_to_decide(difference(0.0, 1.0, 100), margin=0.5) is not None


def test_nothing_varies():
    assert videos_to_decide(difference(0.5, 0.0, 10)) == 2
