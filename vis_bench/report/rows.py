"""Rows of every table: records grouped into blocks of comparable runs, and seeds averaged.

The terminal, the Markdown page and the CSV file are three renderings of what this file returns, so they
cannot disagree.
"""

from __future__ import annotations

import statistics
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from vis_bench.errors import DataError
from vis_bench.protocol import Protocol, load_protocol, protocol_names
from vis_bench.report.columns import COLUMNS, Column, Record, read_value

DONE = "done"
STATUSES = (DONE, "failed", "not scored", "skipped")
_TEXT_FIELDS = ("method", "config", "dataset", "split", "protocol", "protocol_hash", "iou_type", "status")


Protocols = Mapping[tuple[str, str], Protocol]


@dataclass(frozen=True, slots=True)
class Cell:
    """Mean and sample standard deviation over `count` seeds; mean None: undefined in at least one of them."""

    mean: float | None
    sd: float | None
    count: int


@dataclass(frozen=True, slots=True)
class Row:
    """One method with one configuration inside a block.

    records: all of its records, one per seed, by ascending seed.
    """

    method: str
    config: str
    records: tuple[Record, ...]

    def label(self, default_config: str | None) -> str:
        """`method`, or `method@config` where the configuration is not the block's usual one."""
        return self.method if self.config == default_config else f"{self.method}@{self.config}"

    @property
    def done(self) -> tuple[Record, ...]:
        """The records that hold numbers."""
        return tuple(record for record in self.records if record["status"] == DONE)

    @property
    def done_seeds(self) -> tuple[int, ...]:
        """The seeds behind every cell, ascending."""
        return tuple(record["seed"] for record in self.done)

    @property
    def problems(self) -> tuple[tuple[int, str, str], ...]:
        """(seed, status, error text) of every run without numbers."""
        return tuple(
            (record["seed"], record["status"], str(record.get("error") or ""))
            for record in self.records
            if record["status"] != DONE
        )

    def cell(self, column: Column) -> Cell:
        """Mean and sd of one column. Raises DataError where a record holds no finite number or null."""
        return summarise_seeds([read_value(record, column) for record in self.done])

    @property
    def devices(self) -> tuple[str, ...]:
        """Devices of its done runs, `unknown` where a record says nothing."""
        return tuple(sorted({device_name(record) for record in self.done}))

    @property
    def status(self) -> str:
        """`done` when at least one seed is done, else the statuses that occur."""
        return DONE if self.done_seeds else ", ".join(sorted({status for _, status, _ in self.problems}))


@dataclass(frozen=True, slots=True)
class Block:
    """Rows that may be compared: same data, protocol and kind of region (`segm` masks, `bbox` boxes).

    default_config: the configuration left out of labels, None if every label shows it. devices: names of the
    devices that the done runs used, `unknown` where a record says nothing.
    """

    dataset: str
    split: str
    protocol: str
    protocol_hash: str
    iou_type: str
    videos: int | None
    seeds: tuple[int, ...]
    default_config: str | None
    devices: tuple[str, ...]
    rows: tuple[Row, ...]


def installed_protocols() -> Protocols:
    """The protocols of this installation by (name, content hash).

    Keyed by the hash, so that the text of a protocol that was changed after a run is never shown beside it.
    """
    loaded = [load_protocol(name) for name in protocol_names()]
    return {(protocol.name, protocol.content_hash()): protocol for protocol in loaded}


def summarise_seeds(values: Sequence[float | None]) -> Cell:
    """Mean and sample standard deviation (divisor n - 1) over seeds.

    One undefined seed makes the mean undefined: a mean over fewer seeds than the row claims would be silent.
    """
    known = [value for value in values if value is not None]
    if not known or len(known) < len(values):
        return Cell(None, None, len(values))
    return Cell(statistics.fmean(known), statistics.stdev(known) if len(known) > 1 else None, len(known))


def check_record(record: Record, position: int) -> None:
    """Raise DataError where a record lacks what a table needs (position: its number in the list, from 0)."""
    where = f"Record {position + 1} (method {record.get('method')!r})"
    if record.get("schema") != 1:
        raise DataError(
            f"{where}: schema is {record.get('schema')!r}, this version reads 1. Make the report with the "
            "version of vis-bench that wrote the record."
        )
    for name in _TEXT_FIELDS:
        if not isinstance(record.get(name), str):
            raise DataError(f"{where}: {name!r} is {record.get(name)!r}, text is needed. Run it again.")
    if not isinstance(record.get("seed"), int) or isinstance(record.get("seed"), bool):
        raise DataError(f"{where}: 'seed' is {record.get('seed')!r}, a whole number is needed. Run it again.")
    if record["status"] not in STATUSES:
        raise DataError(f"{where}: status {record['status']!r} is none of {', '.join(STATUSES)}.")
    if record["status"] == DONE and not isinstance(record.get("metrics"), Mapping):
        raise DataError(f"{where}: status is 'done' but it holds no metrics. Score the run again.")


def build_blocks(records: Sequence[Record], protocols: Protocols = MappingProxyType({})) -> tuple[Block, ...]:
    """Group records into blocks of comparable runs, each with its rows sorted.

    Rows with AP come first, the highest AP first, then rows without, by label. Mask blocks stand before box
    blocks, data sets in the order of their first record. protocols: by (name, content hash); labels leave
    out the configuration that the protocol means by default, or the block's only one where the protocol is
    not given. Raises DataError for malformed records and for two records of one seed.
    """
    groups: dict[tuple[Any, ...], list[Record]] = defaultdict(list)
    for position, record in enumerate(records):
        check_record(record, position)
        groups[_comparable(record)].append(record)
    blocks = [_block(group, protocols) for group in groups.values()]
    return tuple(sorted(blocks, key=lambda block: block.iou_type != "segm"))


def _comparable(record: Record) -> tuple[Any, ...]:
    data = record.get("data") or {}
    return (
        record["dataset"],
        record["split"],
        record["protocol_hash"],
        data.get("annotation_hash"),
        data.get("split_hash"),
        record["iou_type"],
    )


def _block(group: Sequence[Record], protocols: Protocols) -> Block:
    first = group[0]
    runs: dict[tuple[str, str], list[Record]] = defaultdict(list)
    for record in group:
        runs[record["method"], record["config"]].append(record)
    configs = {config for _, config in runs}
    protocol = protocols.get((first["protocol"], first["protocol_hash"]))
    usual = next(iter(configs)) if len(configs) == 1 else None
    rows = [_row(method, config, found) for (method, config), found in runs.items()]
    rows.sort(key=_rank)
    return Block(
        dataset=first["dataset"],
        split=first["split"],
        protocol=first["protocol"],
        protocol_hash=first["protocol_hash"],
        iou_type=first["iou_type"],
        videos=(first.get("data") or {}).get("videos"),
        seeds=tuple(sorted({record["seed"] for record in group})),
        default_config=protocol.config if protocol else usual,
        devices=tuple(sorted({name for row in rows for name in row.devices})),
        rows=tuple(rows),
    )


def _rank(row: Row) -> tuple[bool, float, str, str]:
    mean = row.cell(COLUMNS["AP"]).mean
    return mean is None, -(mean or 0.0), row.method, row.config


def _row(method: str, config: str, records: Sequence[Record]) -> Row:
    twice = [seed for seed, count in Counter(record["seed"] for record in records).items() if count > 1]
    if twice:
        raise DataError(
            f"{method}@{config}: more than one record for seed {twice[0]}. A seed counted twice would "
            "make the standard deviation too small. Name one of them only."
        )
    return Row(method, config, tuple(sorted(records, key=lambda record: record["seed"])))


def device_name(record: Record) -> str:
    """The device of a run as its record names it (`hardware.device`), else `unknown`."""
    hardware = record.get("hardware")
    name = hardware.get("device") if isinstance(hardware, Mapping) else None
    return name if isinstance(name, str) and name else "unknown"


def seconds_are_comparable(block: Block) -> bool:
    """Whether all done runs of a block used one device; times of different devices never share a column."""
    return len(block.devices) <= 1
