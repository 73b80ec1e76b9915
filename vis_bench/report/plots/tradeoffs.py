"""AP against what it costs: frames per second, and memory. Every point has its name beside it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vis_bench.records.columns import COLUMNS
from vis_bench.records.rows import Block, Row
from vis_bench.report.drawing.labels import label_points
from vis_bench.report.drawing.looks import Look
from vis_bench.report.drawing.style import INK, fit, new_figure, plain
from vis_bench.report.plots.scores import block_looks, percent, shown_rows, values_of
from vis_bench.report.speed.rates import MeasuredRates

_MARKER, _DOT = 8.0, 5.0
_MARKER_RADIUS_PX, _DOT_RADIUS_PX = 6.0, 2.5


@dataclass(frozen=True, slots=True)
class Priced:
    """One method. ap, cost: [n] of every seed, AP in percent."""

    label: str
    look: Look
    ap: np.ndarray
    cost: np.ndarray


def fps_figure(block: Block, rates: MeasuredRates | None = None) -> Figure | None:
    """AP against frames per second, every seed and the mean; None where either is missing everywhere.

    rates: measured by `vis-bench speed`; without them the wall time of tracking is used.
    """
    what = "wall time of tracking, not a speed measurement" if rates is None else "end to end"
    found = _priced(block, lambda place, row: _seed_rates(place, row, rates))
    return _figure(found, f"frames per second: {what}", from_zero=True) if found else None


def memory_figure(block: Block, rates: MeasuredRates) -> Figure | None:
    """AP against the peak of memory that `vis-bench speed` measured; None where there is none."""

    def megabytes(place: int, row: Row) -> np.ndarray:
        return np.full(len(row.done), rates.megabytes[place]) if place in rates.megabytes else np.empty(0)

    found = _priced(block, megabytes)
    # beside the libraries of a process methods differ by little: from 0 on all would be one heap
    return _figure(found, f"peak memory in MB ({rates.memory})", from_zero=False) if found else None


def _priced(block: Block, cost_of: Callable[[int, Row], np.ndarray]) -> list[Priced]:
    looks = block_looks(block)
    return [
        Priced(label, looks[place], ap, cost)
        for place, label, row in shown_rows(block)
        if len(ap := percent(row, COLUMNS["AP"])) and len(cost := cost_of(place, row))
    ]


def _seed_rates(place: int, row: Row, rates: MeasuredRates | None) -> np.ndarray:
    """[n] frames per second of every seed; the same one for all when it was measured by `vis-bench speed`."""
    if rates is None:
        return 1 / values_of(row, COLUMNS["s/frame"])
    return np.full(len(row.done), rates.fps[place]) if place in rates.fps else np.empty(0)


def _figure(found: Sequence[Priced], name: str, from_zero: bool) -> Figure:
    figure, grid = new_figure(4.2)
    axes: Axes = grid[0, 0]
    marks = []
    for one in found:
        if len(one.ap) > 1:
            axes.plot(
                one.cost, one.ap, ".", color=one.look.colour, markersize=_DOT, linestyle="", clip_on=False
            )
            marks += [(x, y, _DOT_RADIUS_PX) for x, y in zip(one.cost, one.ap, strict=True)]
        axes.plot(
            [one.cost.mean()], [one.ap.mean()], one.look.marker, color=one.look.colour, markersize=_MARKER,
            markeredgecolor=INK, linestyle="", clip_on=False,
        )  # fmt: skip
        marks.append((one.cost.mean(), one.ap.mean(), _MARKER_RADIUS_PX))
    # names need room on both sides
    axes.margins(x=0.2, y=0.12)
    axes.autoscale_view()
    fit(axes, 0, 100)
    fit(axes, 0, np.inf, "x")
    if from_zero:
        axes.set_xlim(left=0)
    axes.set_xlabel(name, fontsize=9)
    axes.set_ylabel("AP (%)", fontsize=9)
    points = [(float(one.cost.mean()), float(one.ap.mean())) for one in found]
    label_points(figure, axes, points, [plain(one.label) for one in found], np.array(marks))
    return figure
