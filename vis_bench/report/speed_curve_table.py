"""Curves of speed as a table and as CSV: how time and memory grow with video length or number of objects."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas

from vis_bench.report.speed_table import EMPTY, WIDTH, heading, labels, number
from vis_bench.report.text import display_width, one_line, pad_left, pad_right, wrap
from vis_bench.speed_records import CurvePoint, CurveRecord

_VALUES_SHOWN = 8


def curve_table(records: Sequence[CurveRecord]) -> str:
    """Milliseconds per frame and peak megabytes by value, within 80 columns."""
    if not records:
        return "No records."
    lines: list[str] = []
    for group in curve_groups(records):
        first = group[0]
        hardware = next((record.hardware for record in group if record.hardware), {})
        what = heading(first.protocol, hardware, f"{first.data.name} {first.data.split}")
        axis = "frames of the video" if first.curve == "length" else "annotated objects"
        values = sorted({point.value for record in group for point in record.points})
        shown = values[:_VALUES_SHOWN]
        lines += [*wrap(what, WIDTH), f"by {axis}: ms per frame, then peak MB"]
        names = labels([record.variant() for record in group], WIDTH - 7 * len(shown))
        width = max(map(display_width, names))
        lines.append(pad_right("", width) + "".join(pad_left(str(value), 7) for value in shown))
        for record, label in zip(group, names, strict=True):
            points = {point.value: point for point in record.points}
            for read, name in ((_curve_ms, label), (_curve_mb, "")):
                cells = [read(points[value]) if value in points else EMPTY for value in shown]
                lines.append(pad_right(name, width) + "".join(pad_left(cell, 7) for cell in cells))
        if len(shown) < len(values):
            lines.append(f"not shown for lack of width: {', '.join(map(str, values[len(shown) :]))}")
        for record in group:
            for value, error in record.failed.items():
                lines += wrap(f"{record.variant()} at {value}: failed: {one_line(error)}", WIDTH, indent="  ")
        remarks = dict.fromkeys(note for record in group for note in record.notes)
        lines += [line for note in remarks for line in wrap(note, WIDTH, indent="  ")]
        lines.append("")
    return "\n".join(lines[:-1])


def curve_groups(records: Sequence[CurveRecord]) -> list[list[CurveRecord]]:
    """Curves that may share a picture."""
    grouped: dict[tuple[Any, ...], list[CurveRecord]] = {}
    for record in records:
        machine = record.hardware.get("gpu") or record.hardware.get("cpu")
        data = (record.data.annotation_hash, record.data.split_hash)
        grouped.setdefault((record.curve, record.protocol_hash, data, machine), []).append(record)
    return list(grouped.values())


def curve_csv(records: Sequence[CurveRecord]) -> str:
    """One line per point at full precision."""
    rows = [
        {
            "method": record.method,
            "config": record.config,
            "curve": record.curve,
            "value": point.value,
            "frames": point.frames,
            "seconds_per_frame": point.seconds_per_frame,
            "cpu_seconds_per_frame": point.cpu_seconds_per_frame,
            "peak_bytes": point.memory.get("peak_bytes"),
            "memory": point.memory.get("kind"),
            "tracks_per_frame": point.tracks_per_frame,
            "device": record.protocol.device_kind,
            "protocol_hash": record.protocol_hash,
        }
        for record in records
        for point in record.points
    ]
    return pandas.DataFrame(rows).to_csv(index=False)


def _curve_ms(point: CurvePoint) -> str:
    return number(1000 * point.seconds_per_frame, ".1f")


def _curve_mb(point: CurvePoint) -> str:
    peak = point.memory.get("peak_bytes")
    return number(peak / 1e6 if peak else None, ".0f")
