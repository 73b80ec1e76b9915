"""Plots from predictions and truth: precision over recall, AP and HOTA over IoU, AP by looks of videos."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from vis_bench.metrics.average_precision import RECALL_LEVELS
from vis_bench.metrics.hota import ALPHAS
from vis_bench.metrics.matching import IOU_THRESHOLDS
from vis_bench.metrics.slices import PROPERTIES, VideoSlices
from vis_bench.records.rows import Block
from vis_bench.report.drawing.looks import Look
from vis_bench.report.drawing.style import FAINT, GREY, INK, fit, legend_below, new_figure, plain
from vis_bench.report.plots.scores import block_looks, shown_rows
from vis_bench.report.plots.values import RunValues, seed_mean

_LEVEL = 0  # IoU 0.5
# lines and markers at an end of the range are drawn whole, over the edge of the axes
_LINE = {
    "linewidth": 1.5, "markersize": 5, "markeredgecolor": "white", "markeredgewidth": 0.5, "clip_on": False,
}  # fmt: skip


def curves_figure(block: Block, rows: Mapping[int, Sequence[RunValues]]) -> Figure | None:
    """Precision over recall at IoU 0.5, and AP over the IoU threshold; mean over categories and seeds."""
    if not rows:
        return None
    figure, grid = new_figure(3.9, columns=2)
    left, right = grid[0]
    looks = block_looks(block)
    for place, label, _ in shown_rows(block):
        if place not in rows:
            continue
        look = _style(looks[place])
        precision = 100 * seed_mean(rows[place], "precision")[_LEVEL]
        # markers of different methods stand at different places, so that they do not cover each other
        left.plot(100 * RECALL_LEVELS, precision, markevery=(2 * place % 20, 20), label=plain(label), **look)
        right.plot(IOU_THRESHOLDS, 100 * seed_mean(rows[place], "ap"), **look)
        if len(rows[place]) > 1:
            for run in rows[place]:
                right.plot(
                    IOU_THRESHOLDS, 100 * run.ap, ".", color=looks[place].colour, markersize=3, linestyle=""
                )
    left.set(xlabel="recall (%)", ylabel="precision (%)", xlim=(0, 100), ylim=(0, 100))
    right.set(xlabel="IoU threshold", ylabel="AP at this threshold (%)", xlim=(0.5, 0.95), ylim=(0, None))
    fit(right, 0, 100)
    left.set_title("precision and recall at IoU 0.5", fontsize=9, loc="left", color=INK)
    right.set_title("AP by IoU threshold", fontsize=9, loc="left", color=INK)
    legend_below(figure, left)
    return figure


def hota_figure(block: Block, rows: Mapping[int, Sequence[RunValues]]) -> Figure | None:
    """HOTA and the two it is the geometric mean of, over the localisation threshold; mean over seeds."""
    if not rows:
        return None
    figure, grid = new_figure(3.6, columns=3, sharey=True)
    looks = block_looks(block)
    panels = (("HOTA", "hota"), ("DetA: detection", "detection"), ("AssA: association", "association"))
    for place, label, _ in shown_rows(block):
        if place not in rows:
            continue
        look = _style(looks[place])
        for axes, (_, name) in zip(grid[0], panels, strict=True):
            values = 100 * seed_mean(rows[place], name)
            axes.plot(ALPHAS, values, markevery=(place % 6, 6), label=plain(label), **look)
    for axes, (title, _) in zip(grid[0], panels, strict=True):
        axes.set(xlabel="IoU threshold (alpha)", xlim=(0, 1), ylim=(0, 100))
        axes.set_title(title, fontsize=9, loc="left", color=INK)
    grid[0, 0].set_ylabel("percent", fontsize=9)
    legend_below(figure, grid[0, 0])
    return figure


def slices_figure(
    block: Block, slices: VideoSlices, rows: Mapping[int, Sequence[RunValues]]
) -> Figure | None:
    """AP in slices of the videos; a slice of fewer than ten videos stands on grey, its points are pale."""
    if not rows:
        return None
    found = {one.property for one in slices.slices}
    shown = [one for one in PROPERTIES if one.name in found]
    lines = -(-len(shown) // 3)
    figure, grid = new_figure(2.7 * lines, columns=3, rows=lines, sharey=True)
    for axes in grid.flat[len(shown) :]:
        axes.set_axis_off()
    looks = block_looks(block)
    drawn = [(looks[place], place, label) for place, label, _ in shown_rows(block) if place in rows]
    for axes, property_ in zip(grid.flat, shown, strict=False):
        positions = [s for s, one in enumerate(slices.slices) if one.property == property_.name]
        for x, s in enumerate(positions):
            if slices.slices[s].small:
                axes.axvspan(x - 0.5, x + 0.5, color=FAINT, zorder=0)
        for number, (look, place, label) in enumerate(drawn):
            shift = 0.5 * (number / max(1, len(drawn) - 1) - 0.5) if len(drawn) > 1 else 0.0
            values = 100 * seed_mean(rows[place], "slices")[positions]
            for x, s in enumerate(positions):
                if np.isnan(values[x]):
                    continue
                own = 100 * np.array([run.slices[s] for run in rows[place]])
                if len(own) > 1:
                    axes.plot([x + shift] * len(own), own, ".", color=look.colour, markersize=3, zorder=1.5)
                axes.plot(
                    [x + shift], [values[x]], look.marker, color=look.colour, markersize=6,
                    markeredgecolor=INK, markeredgewidth=0.5, linestyle="", clip_on=False,
                    alpha=0.35 if slices.slices[s].small else 1.0,
                )  # fmt: skip
            axes.plot([], [], look.marker, color=look.colour, markeredgecolor=INK, label=plain(label))
        names = [f"{slices.slices[s].name}\n{_videos(slices.slices[s].videos)}" for s in positions]
        axes.set_xticks(range(len(positions)), names, fontsize=7)
        for x, s in enumerate(positions):
            if slices.slices[s].small:
                axes.get_xticklabels()[x].set_color(GREY)
        axes.set_xlim(-0.5, len(positions) - 0.5)
        axes.grid(False, axis="x")
        axes.set_title(property_.name, fontsize=9, loc="left", color=INK)
    for axes in grid[:, 0]:
        axes.set_ylabel("AP (%)", fontsize=9)
    grid[0, 0].set_ylim(0, None)
    fit(grid[0, 0], 0, 100)
    legend_below(figure, grid[0, 0])
    return figure


def _style(look: Look) -> dict[str, Any]:
    return {"color": look.colour, "linestyle": look.line, "marker": look.marker, **_LINE}


def _videos(count: int) -> str:
    return f"{count} video" if count == 1 else f"{count} videos"
