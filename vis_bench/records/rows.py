"""Rows of every table: records grouped into blocks of comparable runs, and seeds averaged.

The terminal, the Markdown page and the CSV file are three renderings of what this file returns, so they
cannot disagree.
"""

from __future__ import annotations

import math
import statistics
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from pydantic import ValidationError

from vis_bench.errors import DataError, NotComparableError
from vis_bench.records.columns import COLUMNS, FPS, Column, Record, read_value
from vis_bench.records.keys import (
    WITHOUT_CONFIGURATION,
    WITHOUT_TRAINING,
    comparable_key,
    data_key,
    is_foreign,
    row_key,
    training_text,
)
from vis_bench.records.run import SCHEMA_VERSION
from vis_bench.records.run import Record as RecordSchema
from vis_bench.records.soundness import unsound
from vis_bench.setup.protocol import Protocol, load_protocol, protocol_names

DONE = "done"


Protocols = Mapping[tuple[str, str], Protocol]


@dataclass(frozen=True, slots=True)
class Cell:
    """Mean and sample standard deviation over `count` seeds; mean None: undefined in at least one of them."""

    mean: float | None
    sd: float | None
    count: int

    @property
    def half_interval(self) -> float | None:
        """Half the 95 % t interval of the mean over seeds, these videos held fixed; None without an sd."""
        if self.sd is None:
            return None
        from scipy.special import stdtrit  # takes long to import, and tables of one seed do without

        return float(stdtrit(self.count - 1, 0.975)) * self.sd / math.sqrt(self.count)


@dataclass(frozen=True, slots=True)
class Row:
    """One method with one configuration inside a block.

    records: all of its records, one per seed, by ascending seed. shows_weights: another row of the block
    differs in nothing but the weights that it started from.
    """

    method: str
    config: str
    records: tuple[Record, ...]
    shows_weights: bool = False

    def label(self, default_config: str | None) -> str:
        """`method`, with `@config` where it is not the block's usual one, and with what was set by hand."""
        if self.foreign and self.config in WITHOUT_CONFIGURATION:
            return self.method + self._by_hand
        base, _, variant = self.config.partition("+")
        shown = variant if base == default_config else self.config
        shown = "" if self.config == default_config else shown
        return (f"{self.method}@{shown}" if shown else self.method) + self._by_hand

    @property
    def paradigm(self) -> str:
        """What kind of method it is."""
        return str(self.records[0].get("paradigm") or "")

    @property
    def configuration(self) -> str:
        """Its configuration with what was set by hand, as in a label."""
        return self.config + self._by_hand

    @property
    def _by_hand(self) -> str:
        values = [f"{key}={value}" for key, value in self.overrides.items()]
        if self.shows_weights and self.initial_weights:
            values.append(f"weights={self.initial_weights[:8]}")
        return f"[{','.join(values)}]" if values else ""

    @property
    def foreign(self) -> bool:
        """Whether its predictions were made elsewhere, or by foreign code."""
        return is_foreign(self.records[0])

    @property
    def overrides(self) -> Mapping[str, Any]:
        """Configuration values that were set by hand, the same in all records of a row."""
        return self.records[0].get("overrides") or {}

    @property
    def initial_weights(self) -> str:
        """SHA-256 of the weights that were given by hand, empty where there are none."""
        return self.records[0].get("initial_weights") or ""

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
        values = [read_value(record, column) for record in self.done]
        # a configuration is timed once, whichever seed its weights are of: there is no spread
        return summarise_seeds(values[:1] if column.name == FPS.name else values)

    @property
    def devices(self) -> tuple[str, ...]:
        """Devices of its done runs, `unknown` where a record says nothing; none where nothing was timed."""
        timed = [one for one in self.done if not self.foreign or one["timing"].get("track_seconds")]
        return tuple(sorted({device_name(record) for record in timed}))

    @property
    def status(self) -> str:
        """`done` when at least one seed is done, else the statuses that occur."""
        return DONE if self.done_seeds else ", ".join(sorted({status for _, status, _ in self.problems}))


@dataclass(frozen=True, slots=True)
class Block:
    """Rows that may be compared: what `comparable_key` holds is the same in all of them, but for foreign
    rows.

    iou_type: `segm` masks, `bbox` boxes. default_config: the configuration left out of labels, None if every
    label shows it. devices: names of the devices that the done runs used, `unknown` where a record says
    nothing. training: what was trained on, empty unless nothing was or another block differs only in it.
    prompt: what its methods were told of the objects beforehand, empty for nothing.
    image_stage: whether the protocol, as it is known here, has one.
    """

    dataset: str
    split: str
    protocol: str
    protocol_hash: str
    iou_type: str
    videos: int
    seeds: tuple[int, ...]
    default_config: str | None
    devices: tuple[str, ...]
    rows: tuple[Row, ...]
    training: str = ""
    image_stage: bool = False
    prompt: str = ""


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
    """Raise DataError where a record does not follow the schema (position: its index in the list)."""
    where = f"Record {position + 1} (method {record.get('method')!r})"
    if record.get("schema_version") != SCHEMA_VERSION:
        raise DataError(
            f"{where}: schema version is {record.get('schema_version')!r}, this version of vis-bench reads "
            f"{SCHEMA_VERSION}. Make the table with the version that wrote the record."
        )
    try:
        RecordSchema.model_validate(record)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"]))
        raise DataError(f"{where}: {field}: {first['msg']}. Run it again.") from None
    if record["status"] == DONE and not record.get("metrics"):
        raise DataError(f"{where}: the status is 'done' but there are no metrics. Run it again.")
    problem = unsound(record["metrics"]) if record.get("metrics") is not None else None
    if problem is not None:
        raise DataError(f"{where}: metrics: {problem}. Score the run again.")


def build_blocks(records: Sequence[Record], protocols: Protocols = MappingProxyType({})) -> tuple[Block, ...]:
    """Group records into blocks of comparable runs, each with its rows sorted.

    Rows of one paradigm stand together, the paradigm with the highest AP first. Within one, rows with AP come
    first, the highest AP first, then rows without, by label. Mask blocks stand before box
    blocks, data sets in the order of their first record. protocols: by (name, content hash); labels leave
    out the configuration that the protocol means by default, or the block's only one where the protocol is
    not given. Raises DataError for malformed records, for two records of one seed and for weights that were
    scored under several seeds.
    """
    groups: dict[tuple[Any, ...], list[Record]] = defaultdict(list)
    foreign: dict[tuple[str, ...], list[Record]] = defaultdict(list)
    for position, record in enumerate(records):
        check_record(record, position)
        if is_foreign(record):
            foreign[data_key(record)].append(record)
        else:
            groups[comparable_key(record)].append(record)
    joined = {data_key(group[0]) for group in groups.values()}
    for group in groups.values():
        group += foreign[data_key(group[0])]
    for data, alone in foreign.items():
        if alone and data not in joined:
            groups[comparable_key(alone[0])] = alone
    alike = Counter(key[:WITHOUT_TRAINING] for key in groups)
    blocks = [
        _block(group, protocols, training_text(group[0], alike[key[:WITHOUT_TRAINING]] > 1))
        for key, group in groups.items()
    ]
    return tuple(sorted(blocks, key=lambda block: block.iou_type != "segm"))


def _block(group: Sequence[Record], protocols: Protocols, training: str) -> Block:
    # what a block shares is what its runs share; a foreign row has only the data in common
    trained = [record for record in group if not is_foreign(record)]
    own = trained or group
    first = own[0]
    runs: dict[tuple[str, str, str, str], list[Record]] = defaultdict(list)
    for record in group:
        runs[row_key(record)].append(record)
    alike = Counter(key[:3] for key in runs)
    configs = {record["config"] for record in own}
    # it says how methods are trained
    protocol = protocols.get((first["protocol"], first["protocol_hash"])) if trained else None
    usual = next(iter(configs)) if len(configs) == 1 and trained else None
    rows = [_row(found, shows_weights=alike[key[:3]] > 1) for key, found in runs.items()]
    rows.sort(key=_rank)
    groups = {paradigm: place for place, paradigm in enumerate(dict.fromkeys(row.paradigm for row in rows))}
    rows.sort(key=lambda row: groups[row.paradigm])  # stable: by AP within a paradigm, the best one first
    return Block(
        dataset=first["dataset"],
        split=first["split"],
        protocol=first["protocol"],
        protocol_hash=first["protocol_hash"],
        iou_type=first["iou_type"],
        videos=first["data"]["videos"],
        seeds=tuple(sorted({record["seed"] for record in own})),
        default_config=protocol.config if protocol else usual,
        devices=tuple(sorted({name for row in rows for name in row.devices})),
        rows=tuple(rows),
        training=training,
        image_stage=protocol is not None and protocol.image_stage is not None,
        prompt=str(first.get("prompt") or ""),
    )


def _rank(row: Row) -> tuple[bool, float, str, str]:
    mean = row.cell(COLUMNS["AP"]).mean
    return mean is None, -(mean or 0.0), row.method, row.config


def _row(records: Sequence[Record], shows_weights: bool) -> Row:
    first = records[0]
    method, config = first["method"], first["config"]
    twice = [seed for seed, count in Counter(record["seed"] for record in records).items() if count > 1]
    if twice:
        runs = ", ".join(record["run_hash"][:8] for record in records if record["seed"] == twice[0])
        raise DataError(
            f"{method}@{config}: more than one record for seed {twice[0]} (of the runs {runs}). A seed "
            "counted twice would make the standard deviation too small. Name one of them only."
        )
    for other in records[1:]:
        if first.get("train_data") is None and first.get("initial_weights"):
            raise DataError(
                f"{method}@{config}: seeds {first['seed']} and {other['seed']} scored the same weights "
                "without training. One training is no repetition of itself. Name one of them only."
            )
        if other.get("config_values") != first.get("config_values"):
            raise NotComparableError(
                f"{method}@{config}: seeds {first['seed']} and {other['seed']} ran with different "
                "configuration values, so they are no repetitions of one another. Report them separately."
            )
    ordered = tuple(sorted(records, key=lambda record: record["seed"]))
    return Row(method, config, ordered, shows_weights)


def device_name(record: Record) -> str:
    """The GPU of a run, or its CPU with the threads of a job; `unknown` where the record says nothing."""
    hardware = record.get("hardware") or {}
    if "gpu" in hardware:
        return f"GPU {hardware['gpu']}"
    if "cpu" in hardware:
        return f"CPU {hardware['cpu']}, threads per job: {hardware.get('threads_per_job', 'unknown')}"
    return "unknown"


def seconds_are_comparable(block: Block) -> bool:
    """Whether all done runs of a block used one device; times of different devices never share a column."""
    return len(block.devices) <= 1
