"""Records found for a published table, and the contradictions of the papers, as plain values."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vis_bench.data.catalog import known_datasets
from vis_bench.errors import UsageError, did_you_mean
from vis_bench.records.keys import has_repeats
from vis_bench.records.rows import Block, build_blocks, installed_protocols
from vis_bench.records.run import find_records, read_record
from vis_bench.report.papers.cells import compare, measuring_methods
from vis_bench.report.papers.claims import measured_claims
from vis_bench.report.papers.commands import run_commands
from vis_bench.report.papers.published import Conflict, Library, PublishedPaper, PublishedTable
from vis_bench.report.papers.table import Comparison

DEFAULT_RECORDS = "runs"
THRESHOLDS = ("0.0", "0.1", "0.3", "0.5")

Found = list[tuple[Path, dict[str, Any]]]
"""Records with the folder that holds their run directory."""


def _read_records(folder: Path | None) -> Found:
    """All records of a folder; none where there is no folder `runs` and no other was named."""
    if folder is None:
        folder = Path(DEFAULT_RECORDS)
        if not folder.is_dir():
            return []
    return [
        (path.resolve().parent.parent, read_record(path).model_dump(mode="json"))
        for path in find_records([folder])
    ]


def found_records(folder: Path | None, on: str | None) -> Found:
    """The records, once `on` is known to be a data set: by name, in the records or as a path.

    Raises UsageError for an unknown data set, DataError for damaged records.
    """
    records = _read_records(folder)
    known = {*known_datasets(), *(record["dataset"] for _, record in records)}
    if on is not None and on not in known and not Path(on).exists():
        raise UsageError(f"--on {on!r}: no such data set.{did_you_mean(on, known)}")
    return records


def _name_in_records(on: str) -> str:
    """What records call a data set that is given by name or by path, see catalog.open_dataset."""
    path = Path(on)
    if on in known_datasets() or not path.exists():
        return on
    name = path.name.removesuffix(".gz").removesuffix(".json") if path.is_file() else path.resolve().name
    return f"path:{name}" if name in known_datasets() else name


def _blocks(table: PublishedTable, records: Found) -> tuple[Block, ...]:
    """Records of the methods of a table, grouped into comparable runs.

    Seeds may lie in several folders. Where a run was repeated, a folder stands for itself.
    """
    wanted = measuring_methods(table)
    chosen = [(folder, record) for folder, record in records if record["method"] in wanted]
    repeated = has_repeats([record for _, record in chosen])
    groups: dict[Path | None, list[dict[str, Any]]] = {}
    for folder, record in chosen:
        groups.setdefault(folder if repeated else None, []).append(record)
    protocols = installed_protocols()
    return tuple(block for group in groups.values() for block in build_blocks(group, protocols))


def comparison(
    library: Library,
    paper: PublishedPaper,
    table: PublishedTable,
    records: Found,
    *,
    folder: Path | None = None,
    on: str | None = None,
    threshold: str = "0.3",
    with_claims: bool = False,
) -> Comparison:
    """A published table beside what was measured. folder: of the records, for the commands that are advised.

    on: measured numbers of this data set only. threshold: score from which tracks count. with_claims: compare
    the pairs of rows that the paper makes claims about, which scores their predictions again; needs `on`.
    """
    measured_on = None if on is None else _name_in_records(on)
    rows = compare(library, paper, table, _blocks(table, records), measured_on, threshold)
    commands = run_commands(library.terms, paper, table, rows, on, str(folder or DEFAULT_RECORDS))
    place = folder or Path(DEFAULT_RECORDS)
    claims = measured_claims(paper.claims, table, place, on, threshold) if with_claims and on else ()
    return Comparison(library, paper, table, rows, tuple(commands), claims, on)


def conflicts_of(library: Library, target: str | None) -> list[Conflict]:
    """The contradictions that concern a paper or a table (`PAPER:TABLE`), or all."""
    return [
        conflict
        for conflict in library.conflicts
        if target is None
        or any(target in (cells.table, cells.table.partition(":")[0]) for cells in conflict.cells)
    ]


def conflicts_as_json(library: Library, conflicts: Sequence[Conflict]) -> list[dict[str, Any]]:
    """Contradictions with the published cells that they are about."""
    return [
        {
            "id": conflict.id,
            "about": conflict.about,
            "text": conflict.text,
            "cells": [
                {
                    "table": cells.table,
                    "method": row.method,
                    "backbone": row.backbone,
                    "dataset": table.dataset_of(row),
                    "setting": row.setting,
                    "published": {name: row.published[name] for name in cells.metrics_of(row)},
                }
                for cells, table, row in library.selected(conflict)
            ],
        }
        for conflict in conflicts
    ]
