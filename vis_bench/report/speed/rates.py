"""Frames per second of the rows of a block, from records of `vis-bench speed`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from vis_bench.records.columns import FPS, Record
from vis_bench.records.rows import Block, Row, build_blocks
from vis_bench.records.speed import SpeedRecord
from vis_bench.report.speed.table import block_heading, blocks, frames_per_second, peak_megabytes


@dataclass(frozen=True, slots=True)
class MeasuredRates:
    """fps: end to end, median of the repeats, by place of the row in its block. conditions: scenario, data,
    machine and protocol, one for all. missing: labels of the rows that were not measured. megabytes: peak
    memory by place, of the rows that have it. memory: what was measured, such as `process RSS`.
    """

    fps: Mapping[int, float]
    conditions: str
    missing: tuple[str, ...]
    megabytes: Mapping[int, float] = field(default_factory=dict)
    memory: str = ""


def measured_rates(block: Block, timed: Sequence[SpeedRecord]) -> MeasuredRates | None:
    """The rates of those rows whose configuration was timed, all under one protocol on one machine.

    A row counts as timed when a record of speed has its name and all its configuration values but those of
    training, on any data.
    Of several protocols and machines the one with most rows is taken, then `stream`, then the first.
    None where no row was timed.
    """
    found: list[tuple[int, bool, MeasuredRates]] = []
    for group in blocks(timed):
        timed_rows = {
            place: record
            for place, row in enumerate(block.rows)
            if (record := _record_of(row, group)) is not None
        }
        rates = {
            place: rate
            for place, record in timed_rows.items()
            if (rate := frames_per_second(record)) is not None
        }
        missing = tuple(
            row.label(block.default_config) for place, row in enumerate(block.rows) if place not in rates
        )
        streamed = group[0].protocol.scenario == "stream"
        peaks = {
            place: peak
            for place, record in timed_rows.items()
            if (peak := peak_megabytes(record)) is not None
        }
        kinds = {str(timed_rows[place].repeats[0].memory.get("kind", "")) for place in peaks}
        measured = MeasuredRates(
            rates, block_heading(group), missing, peaks if len(kinds) == 1 else {}, "".join(sorted(kinds))
        )
        found.append((len(rates), streamed, measured))
    rows, _, best = max(found, key=lambda one: one[:2], default=(0, False, None))
    return best if rows else None


def with_rates(records: Sequence[Record], timed: Sequence[SpeedRecord]) -> list[Record]:
    """The same records, with what the column FPS reads in those whose configuration was timed."""
    metrics, speed, name = FPS.path
    fps: dict[int, float] = {}
    for block in build_blocks(records) if timed else ():
        rates = measured_rates(block, timed)
        for place, rate in rates.fps.items() if rates is not None else ():
            fps |= {id(record): rate for record in block.rows[place].records}
    return [
        {**record, metrics: {**(record[metrics] or {}), speed: {name: fps[id(record)]}}}
        if id(record) in fps
        else record
        for record in records
    ]


def _record_of(row: Row, group: Sequence[SpeedRecord]) -> SpeedRecord | None:
    """The finished record with the row's configuration; None where there is none."""
    name, values = f"{row.method}@{row.config}", _tracked_with(row.records[0]["config_values"])
    for record in group:
        same = record.variant() == name and _tracked_with(record.config_values) == values
        if record.status == "done" and same:
            return record
    return None


def _tracked_with(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a configuration without its trainings: how long they took costs no time in tracking."""
    return {
        key: value
        for key, value in values.items()
        if not (isinstance(value, Mapping) and {"iterations", "optimizer"} <= value.keys())
    }
