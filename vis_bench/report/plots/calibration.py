"""Do scores say how often a track is right: precision by score, beside the operating point."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vis_bench.records.rows import Block
from vis_bench.report.drawing.looks import Look
from vis_bench.report.drawing.style import GREY, INK, new_figure, plain
from vis_bench.report.plots.scores import block_looks, shown_rows
from vis_bench.report.plots.values import RunValues

BINS = 10
FEW = 10
"""Bins of fewer tracks are drawn in pale: their precision is an anecdote."""
_ALL_AREAS, _HALF = 0, 0
_COLUMNS, _ROW_INCHES = 3, 1.75
_NO_ROOM_ABOVE = 88
_BRIGHT = 1.6
# the line of an operating point does not cross a number
_PAPER_BEHIND: dict[str, Any] = {"boxstyle": "round,pad=0.05", "fc": "white", "ec": "none", "alpha": 0.85}


@dataclass(frozen=True, slots=True)
class Calibration:
    """tracks: [10] int64 per bin of the score. right: [10] int64, how many of them found an object."""

    tracks: np.ndarray
    right: np.ndarray

    @property
    def precision(self) -> np.ndarray:
        """[10] right / tracks in 0..1, NaN in an empty bin."""
        return np.divide(self.right, self.tracks, out=np.full(BINS, np.nan), where=self.tracks > 0)


def calibration(scores: np.ndarray, right: np.ndarray) -> Calibration:
    """Count tracks by score in ten bins over 0..1: bin k holds k / 10 < score <= (k + 1) / 10.

    scores: [N] float64; those beyond 0..1 count in the outermost bins. right: [N] bool.
    """
    # a score on an edge counts below it, as `score > threshold` does
    bins = np.clip(np.ceil(np.round(scores * BINS, 9)).astype(np.int64) - 1, 0, BINS - 1)
    return Calibration(
        np.bincount(bins, minlength=BINS).astype(np.int64),
        np.bincount(bins[right], minlength=BINS).astype(np.int64),
    )


def run_calibration(runs: Sequence[RunValues]) -> Calibration:
    """Of the tracks of all seeds together. Right: matched at IoU 0.5 in video AP, in the right category.

    Tracks that AP ignores (matched to a crowd) do not count.
    """
    scores, right = [np.zeros(0)], [np.zeros(0, dtype=bool)]
    for run in runs:
        found = run.matches.video_ap
        if found is None:
            raise ValueError("calibration needs video AP among the metrics")
        counted = ~found.ignored[_ALL_AREAS, _HALF]
        scores.append(found.score[counted])
        right.append(found.matched[_ALL_AREAS, _HALF][counted])
    return calibration(np.concatenate(scores), np.concatenate(right))


def calibration_figure(block: Block, rows: Mapping[int, Sequence[RunValues]]) -> Figure | None:
    """A panel per method: precision in every bin of the score, how many tracks, and the operating points."""
    drawn = [(place, label) for place, label, _ in shown_rows(block) if place in rows]
    if not drawn:
        return None
    looks = block_looks(block)
    lines = -(-len(drawn) // _COLUMNS)
    figure, grid = new_figure(
        _ROW_INCHES * lines + 0.4, columns=_COLUMNS, rows=lines, sharex=True, sharey=True
    )
    for axes in grid.flat[len(drawn) :]:
        axes.set_axis_off()
    for axes, (place, label) in zip(grid.flat, drawn, strict=False):
        _panel(axes, run_calibration(rows[place]), looks[place])
        for threshold in sorted({one for run in rows[place] for one in run.thresholds}):
            axes.axvline(threshold, color=INK, linewidth=1.0, linestyle="--")
        axes.set_title(plain(label), fontsize=9, loc="left", color=INK)
    for axes in grid[:, 0]:
        axes.set_ylabel("precision (%)", fontsize=8)
    for number in range(min(_COLUMNS, len(drawn))):
        # the lowest panel of a column names the axis, wherever the last row ends
        last = max(index for index in range(len(drawn)) if index % _COLUMNS == number)
        grid.flat[last].set_xlabel("score of the track", fontsize=8)
        grid.flat[last].tick_params(axis="x", labelbottom=True)
    return figure


def _panel(axes: Axes, found: Calibration, look: Look) -> None:
    middle = (np.arange(BINS) + 0.5) / BINS
    for x, share, tracks in zip(middle, 100 * found.precision, found.tracks, strict=True):
        if tracks:
            axes.bar(
                [x], [share], width=0.085, color=look.colour, alpha=0.35 if tracks < FEW else 1.0, linewidth=0
            )
            inside, pale = share > _NO_ROOM_ABOVE, tracks < FEW
            dark = inside and not pale and sum(look.colour) < _BRIGHT
            axes.annotate(
                _short(int(tracks)), (x, share), xytext=(0, -2 if inside else 1.5),
                textcoords="offset points", ha="center", va="top" if inside else "bottom", fontsize=5.5,
                color="white" if dark else INK,
                bbox=None if inside else _PAPER_BEHIND,
            )  # fmt: skip
    axes.plot([0, 1], [0, 100], color=GREY, linewidth=0.8, linestyle=":")
    axes.set(xlim=(0, 1), ylim=(0, 100), xticks=(0, 0.5, 1), yticks=(0, 50, 100))
    axes.grid(False, axis="x")


def _short(count: int) -> str:
    return str(count) if count < 10_000 else f"{count / 1000:.0f}k"
