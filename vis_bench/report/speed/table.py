"""Tables of speed: one block per machine, data and speed protocol, so that CPU and GPU never share one."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pandas

from vis_bench.records.speed import CurveRecord, Percentiles, Repeat, SpeedProtocol, SpeedRecord
from vis_bench.report.formats.csv_file import csv_text
from vis_bench.report.formats.pipe_table import escape, pipe_table
from vis_bench.report.tables.text import (
    TERMINAL_WIDTH,
    cut_end,
    display_width,
    one_line,
    pad_left,
    pad_right,
    shorten,
    wrap,
)

EMPTY = "-"
FOREIGN_MARK = "†"


@dataclass(frozen=True, slots=True)
class SpeedColumn:
    """read: the value of one record, None where there is none. form: how it is written."""

    name: str
    read: Callable[[SpeedRecord], float | None]
    form: str


def over_repeats(record: SpeedRecord, read: Callable[[Repeat], float | None]) -> float | None:
    """Median over the repeats; None when one of them has no value."""
    values = [read(repeat) for repeat in record.repeats]
    known = [value for value in values if value is not None]
    return statistics.median(known) if known and len(known) == len(values) else None


def _frames(record: SpeedRecord, repeat: Repeat) -> int:
    """Frames of one pass; a repeat that time ended has its own number."""
    return record.frames if repeat.frames is None else repeat.frames


def _rate(seconds: Callable[[Repeat], float]) -> Callable[[SpeedRecord], float | None]:
    def read(record: SpeedRecord) -> float | None:
        return over_repeats(
            record, lambda repeat: _frames(record, repeat) / seconds(repeat) if seconds(repeat) else None
        )

    return read


frames_per_second = _rate(lambda repeat: repeat.end_to_end_seconds)
"""End to end, median of the repeats; None when one of them has no time."""


def spread(record: SpeedRecord) -> float | None:
    """Half the range of the frames per second over the repeats, in per cent of their median."""
    rates = [_frames(record, repeat) / repeat.end_to_end_seconds for repeat in record.repeats]
    return 100 * (max(rates) - min(rates)) / 2 / statistics.median(rates) if len(rates) > 1 else None


def _percentile(name: str) -> Callable[[SpeedRecord], float | None]:
    def value(latency: Percentiles | None) -> float | None:
        return None if latency is None else getattr(latency, name)

    return lambda record: over_repeats(record, lambda repeat: value(repeat.latency_ms))


def peak_megabytes(record: SpeedRecord) -> float | None:
    """The largest peak of memory over the repeats, in MB; None where none was measured."""
    peaks = [repeat.memory.get("peak_bytes") for repeat in record.repeats]
    return max((peak for peak in peaks if peak), default=0) / 1e6 or None


def _host_megabytes(record: SpeedRecord) -> float | None:
    peaks = [repeat.memory.get("host_peak_bytes") for repeat in record.repeats]
    return max((peak for peak in peaks if peak), default=0) / 1e6 or None


def _watts(record: SpeedRecord) -> float | None:
    def middle(repeat: Repeat) -> float | None:
        power = repeat.gpu_samples.get("power_watts")
        return None if power is None else power[1]

    return over_repeats(record, middle)


def _harness(record: SpeedRecord) -> float | None:
    return over_repeats(record, lambda repeat: 100 * repeat.harness_seconds / repeat.end_to_end_seconds)


def _cpu_ms(record: SpeedRecord) -> float | None:
    return over_repeats(
        record,
        lambda repeat: (
            None if repeat.cpu_seconds is None else 1000 * repeat.cpu_seconds / _frames(record, repeat)
        ),
    )


def _look_ahead(record: SpeedRecord) -> float | None:
    return max((repeat.look_ahead_frames for repeat in record.repeats), default=None)


SPEED_COLUMNS = (
    SpeedColumn("FPS", frames_per_second, ".1f"),
    SpeedColumn("±%", spread, ".1f"),
    SpeedColumn("p50", _percentile("p50"), ".1f"),
    SpeedColumn("p90", _percentile("p90"), ".1f"),
    SpeedColumn("p99", _percentile("p99"), ".1f"),
    SpeedColumn("model", _rate(lambda repeat: repeat.model_only_seconds), ".1f"),
    SpeedColumn("+dec", _rate(lambda repeat: repeat.with_decoding_seconds), ".1f"),
    SpeedColumn("ahead", _look_ahead, ".0f"),
    SpeedColumn("MB", peak_megabytes, ".0f"),
)
SIZE_COLUMNS = (
    SpeedColumn("params M", lambda r: r.parameters["total"] / 1e6 if r.parameters else None, ".2f"),
    SpeedColumn("trained M", lambda r: r.parameters["trainable"] / 1e6 if r.parameters else None, ".2f"),
    SpeedColumn("GMACs", lambda r: r.macs_per_frame / 1e9 if r.macs_per_frame is not None else None, ".2f"),
    SpeedColumn("objects", lambda r: r.tracks_per_frame, ".1f"),
    SpeedColumn("harness%", _harness, ".1f"),
    SpeedColumn("CPU ms", _cpu_ms, ".1f"),
)
GPU_COLUMNS = (
    SpeedColumn("host MB", _host_megabytes, ".0f"),
    SpeedColumn("W", _watts, ".0f"),
)
"""Of records from GPUs only; those of CPUs have nothing to put there."""
_STAGE_HEADS = {
    "decode": "dec", "preprocess": "pre", "host to device": "h2d", "backbone": "bb", "heads": "head",
    "associate": "asc", "postprocess": "post", "device to host": "d2h", "RLE": "RLE", "harness": "harn",
}  # fmt: skip
LEGEND = (
    "FPS: frames per second end to end, from the uint8 frame in memory to RLE tracks at the original size, "
    "median of the repeats; ±%: half the range over the repeats. p50, p90, p99: milliseconds from a frame "
    "handed over to its result. model: FPS without preprocessing, copies, resizing masks to the original "
    "size and RLE. +dec: FPS with reading and decoding the frames. ahead: frames read beyond the one that is "
    "answered. MB: peak memory of the process, Python and libraries included (CUDA: allocated on the device)."
)
SIZE_LEGEND = (
    "GMACs: multiply-adds of one frame of 640x360 as `methods show` counts them. objects: masks put out per "
    "frame. harness%: share of the end-to-end time that is neither method, decoding nor copying. CPU ms: "
    "processor time per frame, end to end, all threads."
)
GPU_LEGEND = (
    "host MB: peak memory of the process on the host, page-locked frames included. W: power of the whole "
    "card during the end-to-end pass, median."
)
STAGE_LEGEND = (
    "Share of the wall time in per cent, in a pass of its own with decoding: decode, preprocess, host to "
    "device, backbone, heads, associate, postprocess, device to host, RLE, harness; ?: unaccounted, marked * "
    "where it is more than 2 %."
)


def blocks(records: Sequence[SpeedRecord]) -> list[list[SpeedRecord]]:
    """Records that may share a table, in order of first appearance."""
    grouped: dict[tuple[Any, ...], list[SpeedRecord]] = {}
    for record in records:
        grouped.setdefault(_block_key(record), []).append(record)
    machines = {key: key[2:] for key in grouped}
    # a failed record names no machine: it joins the block that it was meant for
    for key in [key for key, group in grouped.items() if not any(r.hardware for r in group)]:
        home = next((other for other in machines if other != key and other[:2] == key[:2]), None)
        if home is not None:
            grouped[home] += grouped.pop(key)
    return list(grouped.values())


def _block_key(record: SpeedRecord) -> tuple[Any, ...]:
    facts = record.hardware
    data = (record.data.annotation_hash, record.data.split_hash, record.data.videos)
    machine = tuple(facts.get(name) for name in ("gpu", "power_limit_watts", "mig", "cpu", "cores"))
    return record.protocol_hash, data, *machine


def heading(protocol: SpeedProtocol, hardware: dict[str, Any], data: str, amount: str | None = None) -> str:
    """What all rows of a block share. amount: what was timed, None for frames times repeats."""
    machine = hardware.get("gpu") or f"CPU {hardware.get('cpu', 'unknown')}"
    if hardware.get("power_limit_watts"):
        machine += f" at {hardware['power_limit_watts']:.0f} W"
    parts = [
        f"{protocol.scenario} on {data}",
        machine,
        f"{protocol.threads} thread{'s' if protocol.threads > 1 else ''}",
        protocol.precision + (", compiled backbone" if protocol.compile else ""),
        amount or _amount(protocol),
        f"protocol {protocol.content_hash()[:8]}",
    ]
    return one_line("; ".join(parts)) + ("; SHORT: not a full measurement" if protocol.short else "")


def _amount(protocol: SpeedProtocol) -> str:
    limit = "" if protocol.seconds is None else f" or {protocol.seconds:g} s"
    return f"{protocol.frames} frames{limit} x {protocol.repeats}"


def size_columns(block: Sequence[SpeedRecord]) -> tuple[SpeedColumn, ...]:
    """Columns of the second table; a column of GPUs where one of the rows has it."""
    return (*SIZE_COLUMNS, *(c for c in GPU_COLUMNS if any(c.read(r) is not None for r in block)))


def legends(records: Sequence[SpeedRecord]) -> list[str]:
    """What the columns mean."""
    on_gpu = any(column.read(record) is not None for column in GPU_COLUMNS for record in records)
    return [LEGEND, SIZE_LEGEND, *([GPU_LEGEND] if on_gpu else []), STAGE_LEGEND]


def block_heading(block: Sequence[SpeedRecord]) -> str:
    """What all rows of a block share, with data and machine."""
    first = block[0]
    hardware = next((record.hardware for record in block if record.hardware), {})
    return heading(first.protocol, hardware, f"{first.data.name} {first.data.split}")


def speed_table(records: Sequence[SpeedRecord]) -> str:
    """The terminal tables, every line at most 80 cells wide."""
    if not records:
        return "No records."
    lines: list[str] = []
    for block in blocks(records):
        lines += wrap(block_heading(block), TERMINAL_WIDTH)
        lines += [*_grid(block, SPEED_COLUMNS), "", *_grid(block, size_columns(block)), ""]
        if any(record.stages for record in block):
            lines += [*_stage_lines(block), ""]
        for text in _remarks(block):
            lines += wrap(text, TERMINAL_WIDTH, indent="  ")
        lines.append("")
    for legend in legends(records):
        lines += wrap(legend, TERMINAL_WIDTH)
    return "\n".join(lines)


def speed_markdown(records: Sequence[SpeedRecord]) -> str:
    """The same as a Markdown page."""
    parts = ["# Speed", ""]
    for block in blocks(records):
        parts += [f"## {escape(block_heading(block))}", ""]
        for columns in (SPEED_COLUMNS, size_columns(block)):
            rows = [[escape(row_name(r)), *_cells(r, columns)] for r in block]
            parts += [pipe_table(["method", *(escape(c.name) for c in columns)], rows), ""]
        staged = [record for record in block if record.stages]
        if staged:
            rows = [[escape(row_name(record)), *_shares(record)] for record in staged]
            parts += [pipe_table(["method", *_STAGE_HEADS, "unaccounted"], rows), ""]
        parts += [f"- {escape(text)}" for text in _remarks(block)]
        parts.append("")
    for legend in legends(records):
        parts += [escape(legend), ""]
    return "\n".join(parts)


def speed_csv(records: Sequence[SpeedRecord]) -> str:
    """One line per record at full precision; a column of foreign code where there is any."""
    rows = []
    foreign = any(record.foreign for record in records)
    for record in records:
        row: dict[str, Any] = {
            "method": record.method,
            "config": record.config,
            "dataset": record.data.name,
            "split": record.data.split,
            "device": record.protocol.device_kind,
            "machine": record.hardware.get("gpu") or record.hardware.get("cpu"),
            "protocol_hash": record.protocol_hash,
            **record.protocol.values(),
            "status": record.status,
            "weights": record.weights,
            **({"foreign": record.foreign} if foreign else {}),
            "frames_timed": record.frames,
            "videos": record.videos,
        }
        row |= {column.name: column.read(record) for column in (*SPEED_COLUMNS, *size_columns(records))}
        if record.stages:
            row |= {f"{stage} s": seconds for stage, seconds in record.stages.seconds.items()}
            row["unaccounted s"] = record.stages.unaccounted_seconds
        row |= {f"audit: {audit.name}": audit.ok for audit in record.audits}
        rows.append(row)
    return csv_text(pandas.DataFrame(rows))


def labels(records: Sequence[SpeedRecord | CurveRecord], room: int) -> list[str]:
    """Names of rows in at most `room` cells each, but 8 at least; foreign code is marked."""
    return [shorten(one_line(one.variant()), max(8, room - len(_mark(one)))) + _mark(one) for one in records]


def row_name(record: SpeedRecord | CurveRecord) -> str:
    """The name of a row where there is room for it; foreign code is marked."""
    return record.variant() + _mark(record)


def _mark(record: SpeedRecord | CurveRecord) -> str:
    return f" {FOREIGN_MARK}" if record.foreign else ""


def foreign_remarks(records: Sequence[SpeedRecord | CurveRecord]) -> list[str]:
    """What stands under a table with rows of foreign code."""
    return [
        f"{FOREIGN_MARK} {one_line(one.variant())}: foreign code ({one_line(one.foreign_code)}; licence: "
        f"{one_line(one.licence)})"
        for one in records
        if one.foreign
    ]


def number(value: float | None, form: str) -> str:
    """A cell; `EMPTY` for None."""
    return EMPTY if value is None else format(value, form)


def _cells(record: SpeedRecord, columns: Sequence[SpeedColumn]) -> list[str]:
    if record.status == "failed":
        return ["failed", *[EMPTY] * (len(columns) - 1)]
    return [number(column.read(record), column.form) for column in columns]


def _grid(block: Sequence[SpeedRecord], columns: Sequence[SpeedColumn]) -> list[str]:
    rows = [_cells(record, columns) for record in block]
    widths = [
        2 + max(len(column.name), *(len(row[position]) for row in rows))
        for position, column in enumerate(columns)
    ]
    names = labels(block, TERMINAL_WIDTH - sum(widths))
    label_width = max(len("method"), *map(display_width, names))

    def line(label: str, cells: Sequence[str]) -> str:
        return pad_right(label, label_width) + "".join(map(pad_left, cells, widths))

    lines = [line("method", [column.name for column in columns]), "-" * (label_width + sum(widths))]
    return lines + [line(label, row) for label, row in zip(names, rows, strict=True)]


def _shares(record: SpeedRecord) -> list[str]:
    stages = record.stages
    if stages is None or stages.wall_seconds <= 0:
        return [EMPTY] * (len(_STAGE_HEADS) + 1)
    shares = [f"{100 * stages.seconds.get(stage, 0.0) / stages.wall_seconds:.1f}" for stage in _STAGE_HEADS]
    mark = "*" if stages.flagged else ""
    return [*shares, f"{100 * stages.unaccounted_seconds / stages.wall_seconds:.1f}{mark}"]


def _stage_lines(block: Sequence[SpeedRecord]) -> list[str]:
    heads = [*_STAGE_HEADS.values(), "?"]
    width = 5
    last = 6
    room = TERMINAL_WIDTH - width * len(_STAGE_HEADS) - last
    names = labels(block, room)
    label_width = max(len("% of time"), *map(display_width, names))
    widths = [width] * len(_STAGE_HEADS) + [last]
    lines = [pad_right("% of time", label_width) + "".join(map(pad_left, heads, widths))]
    for record, label in zip(block, names, strict=True):
        if record.stages:
            lines.append(pad_right(label, label_width) + "".join(map(pad_left, _shares(record), widths)))
    return lines


def _remarks(block: Sequence[SpeedRecord]) -> list[str]:
    """Failures, audits that did not pass, and notes; a note of all rows is said once."""
    texts = foreign_remarks(block)
    notes: dict[str, list[str]] = {}
    for record in block:
        if record.status == "failed":
            texts.append(f"{record.variant()}: failed: {cut_end(one_line(record.error or ''), 300)}")
        for audit in record.audits:
            if audit.ok is False:
                texts.append(f"{record.variant()}: AUDIT FAILED: {audit.name}: {audit.detail}")
        for note in record.notes:
            notes.setdefault(note, []).append(record.variant())
    done = [record for record in block if record.status == "done"]
    for note, names in notes.items():
        texts.append(note if len(names) == len(done) else f"{', '.join(names)}: {note}")
    audited = [record for record in done if record.audits and all(audit.ok for audit in record.audits)]
    if done and len(audited) == len(done):
        texts.append("Audits passed: " + "; ".join(audit.name for audit in done[0].audits) + ".")
    return texts
