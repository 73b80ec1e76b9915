"""The picture of how cost grows: time and memory per method against video length or number of objects."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vis_bench.records.speed import CurveRecord
from vis_bench.report.drawing.looks import looks
from vis_bench.report.drawing.style import INK, legend_below, new_figure, plain, write_figure
from vis_bench.report.speed.curve_table import curve_heading


def draw_curves(path: Path, records: Sequence[CurveRecord]) -> None:
    """Write a PNG of `curve_figure`."""
    write_figure(path, curve_figure(records))


def curve_figure(records: Sequence[CurveRecord]) -> Figure:
    """Two panels, a line per method. records: of one group of `curve_groups`, at least one."""
    figure, grid = new_figure(3.9, columns=2)
    times: Axes = grid[0, 0]
    memory: Axes = grid[0, 1]
    drawn_as = looks([(record.method, record.config) for record in records])
    for look, record in zip(drawn_as, records, strict=True):
        points = sorted(record.points, key=lambda point: point.value)
        style: dict[str, Any] = {
            "color": look.colour, "marker": look.marker, "markersize": 5, "linewidth": 1.2,
            "label": plain(record.variant()),
        }  # fmt: skip
        times.plot([p.value for p in points], [1000 * p.seconds_per_frame for p in points], **style)
        peaks = [(p.value, p.memory["peak_bytes"] / 1e6) for p in points if p.memory.get("peak_bytes")]
        memory.plot([value for value, _ in peaks], [peak for _, peak in peaks], **style)
    axis = "frames of the video" if records[0].curve == "length" else "annotated objects"
    for axes, name in ((times, "milliseconds per frame"), (memory, "peak memory in MB")):
        axes.set_xlabel(axis, fontsize=9)
        axes.set_ylabel(name, fontsize=9)
        axes.set_ylim(bottom=0)
        if records[0].curve == "length":
            axes.set_xscale("log")
            axes.set_xticks(sorted({p.value for r in records for p in r.points}))
            axes.xaxis.set_major_formatter("{x:.0f}")
            axes.minorticks_off()
    legend_below(figure, times)
    figure.suptitle(curve_heading(records).replace("$", r"\$"), fontsize=7, color=INK)
    return figure
