"""Curves of speed as a table and as CSV: how time and memory grow with video length or number of objects."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas

from vis_bench.records.speed import CurvePoint, CurveRecord
from vis_bench.report.formats.csv_file import csv_text
from vis_bench.report.formats.pipe_table import escape, image, pipe_table
from vis_bench.report.speed.table import EMPTY, foreign_remarks, heading, labels, number, row_name
from vis_bench.report.tables.text import TERMINAL_WIDTH, display_width, one_line, pad_left, pad_right, wrap

_VALUES_SHOWN = 8
GROWTH_FROM = 100
"""Frames after which memory of an online method should not grow any more."""


def curve_table(records: Sequence[CurveRecord]) -> str:
    """Milliseconds per frame and peak megabytes by value, within 80 columns."""
    if not records:
        return "No records."
    lines: list[str] = []
    for group in curve_groups(records):
        first = group[0]
        what = curve_heading(group)
        values = _values(group)
        shown = values[:_VALUES_SHOWN]
        lines += [*wrap(what, TERMINAL_WIDTH), f"by {_axis(first)}: ms per frame, CPU ms per frame, peak MB"]
        names = labels(group, TERMINAL_WIDTH - 7 * len(shown))
        width = max(map(display_width, names))
        lines.append(pad_right("", width) + "".join(pad_left(str(value), 7) for value in shown))
        for record, label in zip(group, names, strict=True):
            points = {point.value: point for point in record.points}
            for read, name in ((_curve_ms, label), (_curve_cpu_ms, ""), (_curve_mb, "")):
                cells = [read(points[value]) if value in points else EMPTY for value in shown]
                lines.append(pad_right(name, width) + "".join(pad_left(cell, 7) for cell in cells))
        if len(shown) < len(values):
            lines.append(f"not shown for lack of width: {', '.join(map(str, values[len(shown) :]))}")
        for record in group:
            for text in _failures(record):
                lines += wrap(text, TERMINAL_WIDTH, indent="  ")
        remarks = dict.fromkeys(_remarks(group))
        lines += [line for note in remarks for line in wrap(note, TERMINAL_WIDTH, indent="  ")]
        lines.append("")
    return "\n".join(lines[:-1])


def curve_markdown(records: Sequence[CurveRecord], pictures: Sequence[str] = ()) -> str:
    """The same as a Markdown page, with the growth from one value to another. pictures: one per group."""
    parts = ["# How cost grows", ""]
    for place, group in enumerate(curve_groups(records)):
        values = _values(group)
        low = GROWTH_FROM if group[0].curve == "length" and GROWTH_FROM in values else min(values, default=0)
        high = max(values, default=0)
        parts += [f"## {escape(curve_heading(group))}, by {_axis(group[0])}", ""]
        rows = []
        for record in group:
            points = {point.value: point for point in record.points}
            for read, unit in ((_curve_ms, "ms"), (_curve_cpu_ms, "CPU ms"), (_curve_mb, "MB")):
                cells = [read(points[value]) if value in points else EMPTY for value in values]
                growth = EMPTY
                if {low, high} <= points.keys() and EMPTY not in (read(points[low]), read(points[high])):
                    growth = f"{100 * (float(read(points[high])) / float(read(points[low])) - 1):+.1f} %"
                rows.append([escape(row_name(record)), unit, *cells, growth])
        head = ["method", "per frame", *map(str, values), f"{low} to {high}"]
        parts += [pipe_table(head, rows, text_columns=2), ""]
        failures = [f"- {escape(text)}" for record in group for text in _failures(record)]
        remarks = dict.fromkeys(f"- {escape(note)}" for note in _remarks(group))
        parts += [*failures, *remarks, ""]
        if place < len(pictures):
            parts += [image("time and memory", pictures[place]), ""]
    parts += ["ms, CPU ms: wall and processor time of a frame, end to end. MB: peak memory.", ""]
    return "\n".join(parts)


def curve_heading(group: Sequence[CurveRecord]) -> str:
    """What all curves of a group share."""
    first = group[0]
    hardware = next((record.hardware for record in group if record.hardware), {})
    amount = "one video per point" if first.curve == "length" else f"{first.protocol.frames} frames per point"
    return heading(first.protocol, hardware, f"{first.data.name} {first.data.split}", amount)


def _axis(record: CurveRecord) -> str:
    return "frames of the video" if record.curve == "length" else "annotated objects"


def _values(group: Sequence[CurveRecord]) -> list[int]:
    return sorted({point.value for record in group for point in record.points})


def _remarks(group: Sequence[CurveRecord]) -> list[str]:
    return [*foreign_remarks(group), *(note for record in group for note in record.notes)]


def _failures(record: CurveRecord) -> list[str]:
    return [f"{record.variant()} at {value}: failed: {one_line(e)}" for value, e in record.failed.items()]


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
    return csv_text(pandas.DataFrame(rows))


def _curve_ms(point: CurvePoint) -> str:
    return number(1000 * point.seconds_per_frame, ".1f")


def _curve_cpu_ms(point: CurvePoint) -> str:
    seconds = point.cpu_seconds_per_frame
    return number(None if seconds is None else 1000 * seconds, ".1f")


def _curve_mb(point: CurvePoint) -> str:
    peak = point.memory.get("peak_bytes")
    return number(peak / 1e6 if peak else None, ".0f")
