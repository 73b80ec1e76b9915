"""A figure of a paper drawn from records: every metric against the value that its rows vary."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from vis_bench.errors import DataError, UsageError
from vis_bench.records.columns import COLUMNS, MOT_THRESHOLD, at_threshold, read_value
from vis_bench.report.drawing.style import INK, colour, fit, new_figure, plain, write_figure
from vis_bench.report.papers.cells import ComparedRow
from vis_bench.report.papers.table import Comparison

_SETTING = re.compile(r"(?P<name>[^=]+)=(?P<value>[0-9.]+)")


def write_published_figure(path: Path, comparison: Comparison) -> None:
    """Draw `published_figure` as a PNG. Errors as there."""
    write_figure(path, published_figure(comparison))


def published_figure(comparison: Comparison) -> Figure:
    """One panel per metric: a dot for every seed, their mean, and a bar of one sample standard deviation.

    The horizontal axis is the value in the settings of the rows (`lambda_e=0.5`). Raises UsageError for a
    table whose numbers are printed, and DataError where no row of the figure has a record.
    """
    if not comparison.table.is_figure:
        raise UsageError(f"--plot: {comparison.where} is a table; only figures of the papers are drawn.")
    points = [
        (x, row) for row in comparison.rows if (x := _value(row)) is not None and row.source is not None
    ]
    if not points:
        raise DataError(
            f"--plot: no record of any row of {comparison.where}. "
            + (f"Measure them with: {comparison.commands[0]}" if comparison.commands else "")
        )
    columns = comparison.columns
    figure, grid = new_figure(2.6, columns=len(columns))
    for number, (axes, metric) in enumerate(zip(grid[0], columns, strict=True)):
        found = [(x, values) for x, row in points if len(values := seed_values(row, metric))]
        for x, values in found:
            spread = values.std(ddof=1) if len(values) > 1 else 0.0
            axes.errorbar([x], [values.mean()], yerr=[spread], color=INK, capsize=3, linewidth=1.2)
            axes.plot([x] * len(values), values, "o", color=colour(number), markersize=3.5, alpha=0.7)
        axes.plot([x for x, _ in found], [values.mean() for _, values in found], color=INK, linewidth=1.0)
        # every metric of a figure is a percentage; MOTA alone may be negative
        least, largest = COLUMNS[metric].bounds
        fit(axes, 100 * least, 100 * largest)
        axes.set_title(metric, fontsize=9, color=INK)
        axes.set_xlabel(plain(_name(points[0][1])), fontsize=8)
    grid[0][0].set_ylabel("percent", fontsize=9)
    return figure


def seed_values(row: ComparedRow, metric: str) -> np.ndarray:
    """[n] one value per done seed in percent; empty where one is undefined or the row has no record."""
    if row.source is None:
        return np.zeros(0)
    # the papers have one threshold for all methods
    column = at_threshold(COLUMNS[metric], MOT_THRESHOLD)
    found = [read_value(record, column) for record in row.source.row.done]
    return np.array([100 * value for value in found if value is not None] if None not in found else [])


def _match(row: ComparedRow) -> re.Match[str] | None:
    return _SETTING.fullmatch(row.row.setting or "")


def _value(row: ComparedRow) -> float | None:
    found = _match(row)
    return None if found is None else float(found["value"])


def _name(row: ComparedRow) -> str:
    found = _match(row)
    return "" if found is None else found["name"]
