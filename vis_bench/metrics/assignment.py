"""Optimal assignment, quick where nobody competes.

SciPy is only loaded where one is computed, because AP needs none.
"""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Callable
from pathlib import Path

import numpy as np


def assign(costs: np.ndarray, maximize: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns, [min(n, m)] int64: the pairs whose costs [n, m] have the smallest, or largest, sum.

    Source: scipy.optimize.linear_sum_assignment; which of several equal solutions is its choice.
    """
    return _solver()(costs, maximize=maximize)


@functools.cache
def _solver() -> Callable[..., tuple[np.ndarray, np.ndarray]]:
    """SciPy's solver, from its own file where it stands in one: loading all of scipy.optimize takes a quarter
    of a second, all assignments of a data set hardly more."""
    found = importlib.util.find_spec("scipy")
    for folder in (found.submodule_search_locations or ()) if found else ():
        for path in sorted(Path(folder, "optimize").glob("_lsap.*")):
            spec = importlib.util.spec_from_file_location("scipy.optimize._lsap", path)
            if spec is None or spec.loader is None or path.suffix not in (".so", ".pyd"):
                continue
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            if hasattr(module, "linear_sum_assignment"):
                return module.linear_sum_assignment
    from scipy.optimize import linear_sum_assignment

    return linear_sum_assignment


def largest_total(gains: np.ndarray) -> int:
    """The largest sum of gains [n, m] (whole numbers, none negative) of pairs, each row and column once."""
    best = gains.argmax(axis=1) if gains.size else np.zeros(0, dtype=np.int64)
    most = gains[np.arange(len(best)), best]
    wanted = best[most > 0]
    if len(set(wanted.tolist())) == len(wanted):  # no two rows want one column
        return int(most.sum())
    return int(gains[assign(gains, maximize=True)].sum())


def clear_choices(gains: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The pairs that every best assignment has, for assignments that are settled by their rows alone.

    gains: [L, n, m] float64, none negative: L assignments of largest sum. Returns clear [L] bool and column
    [L, n] int64: where every row with a gain has one best column and no two rows the same, that column
    (of rows without a gain -1). Of other assignments the columns mean nothing.
    """
    if not gains.size:
        return np.ones(len(gains), dtype=bool), np.full(gains.shape[:2], -1)
    column = gains.argmax(axis=2)
    most = np.take_along_axis(gains, column[:, :, None], axis=2)
    gaining = most[:, :, 0] > 0
    single = ((gains == most).sum(axis=2) == 1) | ~gaining
    column = np.where(gaining, column, -1)
    ordered = np.sort(column, axis=1)
    shared = (ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] >= 0)
    return single.all(axis=1) & ~shared.any(axis=1), column
