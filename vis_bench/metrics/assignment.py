"""Optimal assignment; SciPy is only loaded where one is computed, because AP needs none."""

from __future__ import annotations

import numpy as np


def assign(costs: np.ndarray, maximize: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns, [min(n, m)] int64: the pairs whose costs [n, m] have the smallest, or largest, sum.

    Source: scipy.optimize.linear_sum_assignment; which of several equal solutions is its choice.
    """
    from scipy.optimize import linear_sum_assignment

    return linear_sum_assignment(costs, maximize=maximize)
