"""Numbers as shades, printed in every cell: AP by category, and the gain of each repair."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from vis_bench.metrics.track_errors import KINDS
from vis_bench.records.columns import category_column
from vis_bench.records.rows import Block
from vis_bench.report.drawing.style import INK, colour, new_figure, plain
from vis_bench.report.plots.scores import shown_rows
from vis_bench.report.plots.values import RunValues, seed_mean
from vis_bench.report.tables.blocks import category_names

MOST_CATEGORIES = 60
_ROW_INCHES = 0.27
# one hue from white, so that shades keep their order in grey
_SHADES = LinearSegmentedColormap.from_list("shades", [(1.0, 1.0, 1.0), colour(0)])


def category_figure(block: Block) -> Figure | None:
    """AP of every category (rows) for every method, in percent; the first 60 categories."""
    rows = shown_rows(block)
    names = category_names(block)[:MOST_CATEGORIES]
    if not names or not rows:
        return None
    means = [[row.cell(category_column(name)).mean for _, _, row in rows] for name in names]
    values = np.array([[np.nan if mean is None else 100 * mean for mean in line] for line in means])
    return _heat_map(values, names, [label for _, label, _ in rows], top=100)


def gains_figure(block: Block, rows: Mapping[int, Sequence[RunValues]]) -> Figure | None:
    """AP points that the repair of each kind of error would gain, mean over the seeds."""
    labels = [label for place, label, _ in shown_rows(block) if place in rows]
    if not labels:
        return None
    runs = [rows[place] for place, _, _ in shown_rows(block) if place in rows]
    values = 100 * np.stack([seed_mean(own, "gains") for own in runs], axis=1)
    return _heat_map(values, [kind.replace("_", " ") for kind in KINDS], labels)


def _heat_map(
    values: np.ndarray, rows: Sequence[str], columns: Sequence[str], top: float | None = None
) -> Figure:
    """values: [rows, columns], >= 0 up to noise. top: where the shade is darkest, None for the largest."""
    figure, grid = new_figure(1.1 + _ROW_INCHES * len(rows))
    axes = grid[0, 0]
    defined = values[~np.isnan(values)]
    limit = top if top is not None else max(float(defined.max(initial=0.0)), 1.0)
    axes.grid(False)
    axes.imshow(values, cmap=_SHADES, vmin=0, vmax=limit, aspect="auto")
    for y, x in np.ndindex(*values.shape):
        value = values[y, x]
        text = "-" if np.isnan(value) else f"{value:.1f}".replace("-0.0", "0.0")
        dark = not np.isnan(value) and value > 0.6 * limit
        axes.text(x, y, text, ha="center", va="center", fontsize=8, color="white" if dark else INK)
    axes.set_yticks(range(len(rows)), [plain(name) for name in rows])
    slanted = len(columns) > 5 or max(map(len, columns)) > 16
    axes.set_xticks(
        range(len(columns)), [plain(name) for name in columns], rotation=25 if slanted else 0,
        ha="left" if slanted else "center",
    )  # fmt: skip
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_xticks(np.arange(len(columns) - 1) + 0.5, minor=True)
    axes.set_yticks(np.arange(len(rows) - 1) + 0.5, minor=True)
    axes.grid(True, which="minor", color="white", linewidth=2)
    axes.tick_params(which="minor", length=0)
    return figure
