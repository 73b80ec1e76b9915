"""What a report says, without any markup: Markdown, HTML and LaTeX are renderings of one `Page`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from vis_bench.errors import DataError
from vis_bench.method import Choice
from vis_bench.records.columns import DEFAULT_COLUMNS, Column, Record, choose_columns
from vis_bench.records.keys import NO_PROTOCOL
from vis_bench.records.rows import Block, Protocols, build_blocks, installed_protocols
from vis_bench.report.tables.blocks import (
    Table,
    category_table,
    interval_table,
    main_table,
    methods_table,
    mot_tables,
)
from vis_bench.report.tables.caption import (
    REGION_NAMES,
    column_sentences,
    heading,
    marks_sentences,
    pretraining_sentences,
    shown_columns,
)
from vis_bench.report.tables.operating_points import operating_points_table
from vis_bench.setup.protocol import Protocol

ABOUT = (
    "Made from records only. Runs stand in one table when data, training data, protocol and kind of region "
    "agree."
)
_ABSENT = "not set"


@dataclass(frozen=True, slots=True)
class Plot:
    """A written picture. about: what is drawn, and what it does not say."""

    title: str
    about: str
    path: Path


@dataclass(frozen=True, slots=True)
class BlockPlots:
    """The plots of one block, and sentences on those that could not be made."""

    plots: tuple[Plot, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class BlockPart:
    """One block of comparable runs. facts: (name, value) of what was run on what. failures: one text per run
    without numbers, with the whole error.
    """

    block: Block
    heading: str
    facts: tuple[tuple[str, str], ...]
    main: Table
    intervals: Table | None
    categories: Table | None
    tracking: tuple[Table, ...]
    failures: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ProtocolPart:
    """One protocol of the blocks. settings: as JSON, None where this installation does not have it."""

    name: str
    content_hash: str
    about: str
    settings: str | None


@dataclass(frozen=True, slots=True)
class Page:
    """Everything that a report says. origin: (title, JSON lines) of data, versions and hardware. threshold:
    of the tracking columns, None for the operating points.
    """

    blocks: tuple[BlockPart, ...]
    legend: tuple[str, ...]
    methods: Table
    protocols: tuple[ProtocolPart, ...]
    differences: Table | None
    not_from_a_paper: tuple[str, ...]
    open_points: Table | None
    origin: tuple[tuple[str, str], ...]
    threshold: str | None = None


def report_page(
    records: Sequence[Record],
    metrics: Sequence[str] = DEFAULT_COLUMNS,
    protocols: Protocols | None = None,
    choices: Mapping[str, Sequence[Choice]] | None = None,
    threshold: str | None = None,
) -> Page:
    """The content of the report of `records`.

    metrics: columns of the main tables. protocols: by (name, content hash), None for the installed ones.
    choices: open points of the papers by method name, listed where they are not from the paper. threshold: a
    score that tracks of all methods need in the tracking columns, None for the operating points. Raises
    DataError for malformed or no records and UsageError for unknown columns.
    """
    if not records:
        raise DataError(
            "There is no record to report. Run a method first, or name a folder that holds records."
        )
    known = installed_protocols() if protocols is None else protocols
    blocks = build_blocks(records, known)
    columns = choose_columns(metrics, threshold)
    return Page(
        blocks=tuple(_block_part(block, columns) for block in blocks),
        legend=(
            *column_sentences(shown_columns(blocks, columns)),
            *marks_sentences(blocks, columns),
            *pretraining_sentences(blocks, known),
        ),
        methods=methods_table(blocks),
        protocols=_protocol_parts(blocks, known),
        differences=_protocol_differences(blocks, known),
        not_from_a_paper=_not_from_a_paper(records),
        open_points=_open_points(records, choices or {}),
        origin=_origin(records),
        threshold=threshold,
    )


def _block_part(block: Block, columns: Sequence[Column]) -> BlockPart:
    return BlockPart(
        block=block,
        heading=heading(block),
        facts=_facts(block),
        main=main_table(block, columns),
        intervals=interval_table(block, columns),
        categories=category_table(block),
        tracking=(*mot_tables(block), *([points] if (points := operating_points_table(block)) else [])),
        failures=tuple(
            f"{row.label(block.default_config)}, seed {seed}: {status}{f': {error}' if error.strip() else ''}"
            for row in block.rows
            for seed, status, error in row.problems
        ),
    )


def _facts(block: Block) -> tuple[tuple[str, str], ...]:
    data = block.rows[0].records[0]["data"]
    facts = [
        ("dataset", block.dataset),
        ("split", block.split),
        ("videos", str(block.videos)),
        ("regions", REGION_NAMES.get(block.iou_type, block.iou_type)),
        ("protocol", block.protocol),
        ("protocol hash", block.protocol_hash),
        *([("training", block.training)] if block.training else []),
        ("seeds", ", ".join(map(str, block.seeds))),
        ("configuration", f"{block.default_config} unless named" if block.default_config else "as named"),
        ("hardware", "; ".join(block.devices) or "unknown"),
        ("annotation hash", data["annotation_hash"]),
        ("split hash", data["split_hash"]),
    ]
    return tuple(facts)


def _protocol_parts(blocks: Sequence[Block], protocols: Protocols) -> tuple[ProtocolPart, ...]:
    parts = []
    for name, content in _protocol_keys(blocks):
        protocol = protocols.get((name, content))
        if protocol is None:
            parts.append(ProtocolPart(name, content, "", None))
            continue
        settings = json.dumps(_settings(protocol), indent=2, ensure_ascii=False)
        parts.append(ProtocolPart(name, content, protocol.about, settings))
    return tuple(parts)


def _protocol_keys(blocks: Sequence[Block]) -> tuple[tuple[str, str], ...]:
    named = [block for block in blocks if block.protocol != NO_PROTOCOL]
    return tuple(dict.fromkeys((block.protocol, block.protocol_hash) for block in named))


def _settings(protocol: Protocol) -> dict[str, object]:
    return protocol.model_dump(mode="json", exclude={"name", "about", "not_from_a_paper"})


def _protocol_differences(blocks: Sequence[Block], protocols: Protocols) -> Table | None:
    """The settings in which the protocols of the blocks differ; None for fewer than two known ones."""
    found = [(key, protocols[key]) for key in _protocol_keys(blocks) if key in protocols]
    if len(found) < 2:
        return None
    settings = [dict(_flat(_settings(protocol))) for _, protocol in found]
    names = dict.fromkeys(name for one in settings for name in one)
    lines = tuple(
        (name, *values)
        for name in names
        if len(set(values := tuple(one.get(name, _ABSENT) for one in settings))) > 1
    )
    header = ("setting", *(f"{name} ({content[:8]})" for (name, content), _ in found))
    return Table("Where the protocols differ", "", header, lines, text_columns=len(header))


def _flat(value: object, prefix: str = "") -> list[tuple[str, str]]:
    """(dotted key, JSON value) of every leaf."""
    if isinstance(value, Mapping) and value:
        return [
            leaf
            for key, inner in value.items()
            for leaf in _flat(inner, f"{prefix}.{key}" if prefix else key)
        ]
    return [(prefix, json.dumps(value, ensure_ascii=False))]


def _not_from_a_paper(records: Sequence[Record]) -> tuple[str, ...]:
    shared = dict.fromkeys(
        (record["protocol"], record["not_from_a_paper"])
        for record in records
        if record.get("not_from_a_paper")
    )
    notes = dict.fromkeys(
        (record["method"], str(note))
        for record in records
        for note in record.get("notes") or ()
        if str(note).strip()
    )
    texts = [f"protocol {name}: {text}" for name, text in shared]
    return (*texts, *(f"{method}: {note}" for method, note in notes))


def _open_points(records: Sequence[Record], choices: Mapping[str, Sequence[Choice]]) -> Table | None:
    lines = tuple(
        (method, choice.id, choice.key, choice.source, choice.note)
        for method in dict.fromkeys(record["method"] for record in records)
        for choice in choices.get(method, ())
        if choice.source != "paper"
    )
    header = ("method", "row", "key", "source", "note")
    about = "Open points of the papers and how they were decided"
    return Table("", about, header, lines, text_columns=5) if lines else None


def _origin(records: Sequence[Record]) -> tuple[tuple[str, str], ...]:
    """Hashes, versions and hardware of the runs, each distinct combination once."""
    parts = []
    for key, title in (("data", "Data"), ("versions", "Versions"), ("hardware", "Hardware")):
        texts = dict.fromkeys(
            json.dumps(record[key], ensure_ascii=False, sort_keys=True)
            for record in records
            if record.get(key)
        )
        if texts:
            parts.append((title, "\n".join(texts)))
    return tuple(parts)
