"""The picture of how cost grows: time and memory per method against video length or number of objects."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vis_bench.files import atomic_path
from vis_bench.report.speed_curve_table import curve_heading
from vis_bench.speed_records import CurveRecord

_MARKERS = "osD^vP*X<>hd"


def draw_curves(path: Path, records: Sequence[CurveRecord]) -> None:
    """Write a PNG with two panels. records: of one group of `curve_groups`, at least one."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4.2), layout="constrained")
    times, memory = figure.subplots(1, 2)
    for number, record in enumerate(records):
        points = sorted(record.points, key=lambda point: point.value)
        values = [point.value for point in points]
        style = {"marker": _MARKERS[number % len(_MARKERS)], "label": record.variant()}
        times.plot(values, [1000 * point.seconds_per_frame for point in points], **style)
        peaks = [(p.value, p.memory["peak_bytes"] / 1e6) for p in points if p.memory.get("peak_bytes")]
        memory.plot([value for value, _ in peaks], [peak for _, peak in peaks], **style)
    axis = "frames of the video" if records[0].curve == "length" else "annotated objects"
    for axes, name in ((times, "milliseconds per frame"), (memory, "peak memory in MB")):
        axes.set_xlabel(axis)
        axes.set_ylabel(name)
        axes.set_ylim(bottom=0)
        axes.grid(alpha=0.3)
        if records[0].curve == "length":
            axes.set_xscale("log")
            axes.set_xticks(sorted({p.value for r in records for p in r.points}))
            axes.xaxis.set_major_formatter("{x:.0f}")
            axes.minorticks_off()
    times.legend(fontsize="small")
    figure.suptitle(curve_heading(records), fontsize=8)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", dpi=120)
