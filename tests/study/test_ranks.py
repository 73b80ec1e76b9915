"""Places that say no more than the verdicts: worked out by hand."""

import numpy as np

from vis_bench.study.comparison import Scores
from vis_bench.study.ranks import Ranked, rank_ranges, rank_text, verdicts


def test_places_follow_from_who_is_better():
    assert rank_ranges(3, []) == [(1, 3)] * 3
    assert rank_ranges(3, [(0, 1), (0, 2), (1, 2)]) == [(1, 1), (2, 2), (3, 3)]
    # the first beats the last, and the middle one is like both
    assert rank_ranges(3, [(0, 2)]) == [(1, 2), (1, 3), (2, 3)]
    assert rank_ranges(2, [(1, 0), (1, 0)]) == [(2, 2), (1, 1)]
    assert [rank_text(places) for places in [(1, 1), (1, 3)]] == ["1", "1-3"]


def scores(name, values, noise=0.0):
    values = np.array(values, dtype=float)
    rng = np.random.default_rng(0)
    draws = values[:, None] + noise * rng.standard_normal((1, 200))
    return Scores(name, values, draws, np.full(10, values.mean()))


def test_only_shared_seeds_are_compared_and_a_fixed_checkpoint_stands_beside_each():
    a = Ranked(scores("a", [50, 51, 52]), (0, 1, 2))
    b = Ranked(scores("b", [52, 40, 41]), (2, 3, 4))
    # on seed 2 they are equal
    assert verdicts([a, b])[0, 1] == "equivalent"
    fixed = Ranked(scores("f", [10.0]), (7,), fixed=True)
    assert verdicts([a, fixed])[0, 1] == "better"
    apart = Ranked(scores("c", [1, 2]), (8, 9))
    assert verdicts([a, apart])[0, 1] == "undecided"
    assert verdicts([a, fixed], withheld=True)[0, 1] == "undecided"
