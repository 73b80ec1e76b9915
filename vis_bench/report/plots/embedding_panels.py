"""Embeddings of instances on their two principal axes, as STC Figure 3 shows them with t-SNE."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vis_bench.records.rows import Block
from vis_bench.report.drawing.palette import identity_colour
from vis_bench.report.drawing.style import GREY, INK, new_figure, plain
from vis_bench.report.plots.embeddings import BACKGROUND, RunEmbeddings, VideoEmbeddings, principal_plane
from vis_bench.report.plots.scores import shown_rows

_ROW_INCHES = 2.3


def embeddings_figure(block: Block, runs: Mapping[int, RunEmbeddings]) -> Figure | None:
    """A row of panels per method, a panel per video; None where no run has embeddings."""
    drawn = [(label, runs[place]) for place, label, _ in shown_rows(block) if place in runs]
    columns = max((len(run.videos) for _, run in drawn), default=0)
    if not columns:
        return None
    figure, grid = new_figure(_ROW_INCHES * len(drawn) + 0.3, columns=columns, rows=len(drawn))
    for line, (label, run) in zip(grid, drawn, strict=True):
        share = f", {100 * run.agreeing / run.counted:.1f} % agree" if run.counted else ""
        for number, (axes, (name, video)) in enumerate(zip(line, run.videos.items(), strict=True)):
            _panel(axes, video)
            title = f"{plain(label)}{share}" if number == 0 else ""
            axes.set_title(title, fontsize=9, loc="left", color=INK)
            axes.set_title(f"video {plain(name)}", fontsize=8, loc="right", color=GREY)
    return figure


def _panel(axes: Axes, video: VideoEmbeddings) -> None:
    points, shares = principal_plane(video.values)
    background = video.objects == BACKGROUND
    axes.plot(*points[background].T, "x", color=GREY, markersize=3.5, markeredgewidth=0.8, linestyle="")
    for number in np.unique(video.objects[~background]).tolist():
        own = points[video.objects == number]
        fill = tuple(value / 255 for value in identity_colour(number))
        axes.plot(
            *own.T, "o", color=fill, markersize=4.5, markeredgecolor=INK, markeredgewidth=0.3, linestyle=""
        )
        axes.annotate(
            str(number + 1), np.median(own, axis=0), ha="center", va="center", fontsize=8, color=INK,
            fontweight="bold", bbox={"boxstyle": "round,pad=0.1", "fc": "white", "ec": "none", "alpha": 0.8},
        )  # fmt: skip
    axes.set_xlabel(f"axis 1, {100 * shares[0]:.0f} % of the variance", fontsize=7)
    axes.set_ylabel(f"axis 2, {100 * shares[1]:.0f} %", fontsize=7)
    axes.tick_params(labelbottom=False, labelleft=False, length=0)
