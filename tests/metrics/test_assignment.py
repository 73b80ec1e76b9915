"""What is settled without the solver is what the solver finds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

from vis_bench.metrics.assignment import assign, clear_choices, largest_total

SHAPES = st.tuples(st.integers(0, 5), st.integers(0, 5))


def test_largest_total_by_hand() -> None:
    assert largest_total(np.array([[3, 1], [1, 2]])) == 5
    # both rows want column 0: 3 + 1 against 1 + 2
    assert largest_total(np.array([[3, 1], [2, 1]])) == 4
    assert largest_total(np.array([[0, 0], [0, 4]])) == 4
    assert largest_total(np.zeros((3, 0), dtype=np.int64)) == 0


@settings(max_examples=200, deadline=None)
@given(shape=SHAPES, seed=st.integers(0, 10**6))
def test_largest_total_is_that_of_scipy(shape: tuple[int, int], seed: int) -> None:
    gains = np.random.default_rng(seed).integers(0, 4, shape)
    assert largest_total(gains) == gains[linear_sum_assignment(gains, maximize=True)].sum()


@pytest.mark.parametrize(
    ("gains", "clear", "column"),
    [
        ([[0.3, 0.1], [0.1, 0.2]], True, [0, 1]),
        ([[0.3, 0.1], [0.2, 0.1]], False, None),  # one column for two rows
        ([[0.2, 0.2], [0.0, 0.0]], False, None),  # two columns for one row
        ([[0.0, 0.0], [0.1, 0.4]], True, [-1, 1]),
    ],
)
def test_clear_choices_by_hand(gains: list[list[float]], clear: bool, column: list[int] | None) -> None:
    found, columns = clear_choices(np.array([gains]))
    assert found.tolist() == [clear]
    if column is not None:
        assert columns[0].tolist() == column


@settings(max_examples=200, deadline=None)
@given(shape=SHAPES, seed=st.integers(0, 10**6))
def test_clear_choices_are_those_of_every_best_assignment(shape: tuple[int, int], seed: int) -> None:
    gains = np.random.default_rng(seed).integers(0, 5, (6, *shape)) / 4
    clear, column = clear_choices(gains)
    for t in np.flatnonzero(clear):
        i, j = linear_sum_assignment(-gains[t])
        gaining = gains[t][i, j] > 0
        assert dict(zip(i[gaining], j[gaining], strict=True)) == {
            g: d for g, d in enumerate(column[t].tolist()) if d >= 0
        }


def test_the_solver_is_scipy_s() -> None:
    costs = np.array([[4.0, 1.0, 3.0], [2.0, 0.0, 5.0]])
    rows, columns = assign(costs)
    assert list(zip(rows.tolist(), columns.tolist(), strict=True)) == [(0, 1), (1, 0)]  # 1 + 2
    assert assign(costs, maximize=True)[1].tolist() == [0, 2]  # 4 + 5
