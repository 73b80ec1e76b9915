"""Plots from the records alone: AP of every seed, and errors in time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vis_bench.metrics.temporal_errors import KINDS, SCORE_THRESHOLD
from vis_bench.records.columns import COLUMNS, Column, read_value
from vis_bench.records.rows import DONE, Block, Row
from vis_bench.report.drawing.looks import Look, looks
from vis_bench.report.drawing.style import HATCHES, INK, colour, fit, name_rows, new_figure
from vis_bench.study import intervals

UNMATCHED = ("missed", "late_birth", "lost", "early_death", "merged")
"""Every object frame without a track has exactly one of these, so they may be stacked."""
IDENTITY = ("identity_change", "identity_switch")
_ROW_INCHES, _FRAME_INCHES = 0.34, 1.0


def shown_rows(block: Block) -> list[tuple[int, str, Row]]:
    """(place in the table, label, row) of the rows with numbers."""
    return [
        (place, row.label(block.default_config), row)
        for place, row in enumerate(block.rows)
        if row.status == DONE
    ]


def block_looks(block: Block) -> tuple[Look, ...]:
    """How every row of a block is drawn, by its place."""
    return looks([(row.method, row.configuration) for row in block.rows])


def seeds_figure(block: Block) -> Figure | None:
    """AP of every seed as a dot, and mean with interval from two seeds on; None without any AP."""
    drawn_as = block_looks(block)
    values = [
        (drawn_as[place], label, percent(row, COLUMNS["AP"])) for place, label, row in shown_rows(block)
    ]
    values = [one for one in values if len(one[-1])]
    if not values:
        return None
    figure, grid = new_figure(_FRAME_INCHES + _ROW_INCHES * len(values))
    axes: Axes = grid[0, 0]
    for y, (look, _, found) in enumerate(values):
        mean, low, high = seed_interval(found)
        if len(found) > 1:
            axes.plot([low, high], [y, y], color=INK, linewidth=1.6, solid_capstyle="butt")
            axes.plot([mean], [y], marker="|", markersize=13, markeredgewidth=2.2, color=INK)
        # seeds of nearly the same score stay visible beside each other
        lift = np.linspace(-0.16, 0.16, len(found)) if len(found) > 1 else np.zeros(1)
        axes.plot(
            found, y + lift, "o", color=look.colour, markersize=5, markeredgecolor="white", linestyle=""
        )
    fit(axes, 0, 100, "x")
    axes.grid(False, axis="y")
    name_rows(axes, [label for _, label, _ in values])
    axes.set_xlabel("AP (%)", fontsize=9)
    return figure


def seed_interval(values: np.ndarray) -> tuple[float, float, float]:
    """(mean, low, high): 95 % t interval over seeds [n], the videos held fixed; of width 0 for one seed."""
    return intervals.mean_interval(values, np.zeros((len(values), 1)), videos=1)


def errors_figure(block: Block) -> Figure | None:
    """Errors in time per 100 object frames, mean over the seeds; None where no record holds them."""
    rows = [(label, rates) for _, label, row in shown_rows(block) if (rates := _rates(row))]
    if not rows:
        return None
    figure, grid = new_figure(
        _FRAME_INCHES + 0.5 + _ROW_INCHES * len(rows), columns=3, sharey=True, width_ratios=(2.2, 1.2, 1)
    )
    labels = [label for label, _ in rows]
    panels = (
        (UNMATCHED, "object frames without a track"),
        (IDENTITY, "identities"),
        (("duplicate",), "duplicates"),
    )
    for axes, (kinds, title) in zip(grid[0], panels, strict=True):
        left = np.zeros(len(rows))
        for kind in kinds:
            rate = np.array([rates[kind].mean() for _, rates in rows])
            index = KINDS.index(kind)
            axes.barh(
                range(len(rows)), rate, left=left, height=0.62, color=colour(index), hatch=HATCHES[index],
                edgecolor="white", linewidth=0.5, label=kind.replace("_", " "),
            )  # fmt: skip
            left += rate
        sums = [np.sum([rates[kind] for kind in kinds], axis=0) for _, rates in rows]
        for y, of_seeds in enumerate(sums):
            if len(of_seeds) > 1:
                axes.plot(of_seeds, [y] * len(of_seeds), "o", color=INK, markersize=2.5, linestyle="")
        for y, total in enumerate(np.maximum(left, [of_seeds.max() for of_seeds in sums])):
            axes.annotate(
                f"{left[y]:.1f}", (total, y), xytext=(3, 0), textcoords="offset points", va="center",
                fontsize=7, color=INK,
            )  # fmt: skip
        axes.set_xlim(0, 1.25 * max(0.1, *(of_seeds.max() for of_seeds in sums)))
        axes.grid(False, axis="y")
        axes.set_title(title, fontsize=9, loc="left", color=INK)
        axes.set_xlabel("per 100 object frames", fontsize=8)
        name_rows(axes, labels)
    for axes in grid[0][1:]:
        axes.tick_params(axis="y", length=0)
    _legend_of_all(figure, list(grid[0]))
    return figure


def _legend_of_all(figure: Figure, panels: Sequence[Axes]) -> None:
    pairs = [pair for axes in panels for pair in zip(*axes.get_legend_handles_labels(), strict=True)]
    figure.legend(
        [handle for handle, _ in pairs], [label for _, label in pairs], loc="outside lower center", ncols=4,
        frameon=False, fontsize=8, labelcolor=INK,
    )  # fmt: skip


def _rates(row: Row) -> dict[str, np.ndarray]:
    """The rate of each kind in every seed, [n]; empty where a record does not hold one."""
    path = ("metrics", "errors", "class_agnostic", str(SCORE_THRESHOLD))
    columns = {kind: Column(kind, (*path, f"{kind}_per_100_frames"), "count", "errors") for kind in KINDS}
    found = {kind: values_of(row, column) for kind, column in columns.items()}
    return found if all(len(values) for values in found.values()) else {}


def percent(row: Row, column: Column) -> np.ndarray:
    """[n] one value per seed, 100 times the fraction; empty where one is undefined."""
    return 100 * values_of(row, column)


def values_of(row: Row, column: Column) -> np.ndarray:
    """[n] one value per seed; empty where one is undefined, as the mean is in the tables."""
    found = [read_value(record, column) for record in row.done]
    return np.array([value for value in found if value is not None] if None not in found else [], dtype=float)
