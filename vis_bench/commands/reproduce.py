"""`vis-bench reproduce`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from vis_bench.data.catalog import known_datasets
from vis_bench.errors import UsageError, did_you_mean
from vis_bench.files import dump_json
from vis_bench.records.keys import has_repeats
from vis_bench.records.rows import Block, build_blocks, installed_protocols
from vis_bench.records.run import find_records, read_record
from vis_bench.report.papers.cells import compare, measuring_methods
from vis_bench.report.papers.commands import run_commands
from vis_bench.report.papers.library import Library, PublishedPaper, PublishedTable, published_library
from vis_bench.report.papers.markup import as_latex, as_markdown
from vis_bench.report.papers.notes import conflict_text
from vis_bench.report.papers.table import Comparison, as_json, as_text
from vis_bench.report.tables.text import cut_end, wrap
from vis_bench.report.terminal.comparison_table import TERMINAL_WIDTH

DEFAULT_RECORDS = "runs"
THRESHOLDS = ("0.0", "0.1", "0.3", "0.5")
_FORMATS = {"text": as_text, "markdown": as_markdown, "latex": as_latex}


@dataclass(frozen=True, slots=True)
class ReproduceArguments:
    """As typed. target: PAPER, PAPER:TABLE or None. records: None is `runs`, if there is such a folder.

    plot: PNG file to draw a figure of a paper into.
    """

    target: str | None
    records: Path | None
    on: str | None
    conflicts: bool
    as_json: bool
    format: str
    threshold: str
    plot: Path | None


def reproduce_command(arguments: ReproduceArguments) -> None:
    """List papers, tables or contradictions, or print a table beside what was measured."""
    if arguments.format not in _FORMATS:
        raise UsageError(f"--format {arguments.format!r}.{did_you_mean(arguments.format, _FORMATS)}")
    if arguments.threshold not in THRESHOLDS:
        raise UsageError(f"--threshold {arguments.threshold!r}: must be one of {', '.join(THRESHOLDS)}.")
    library = published_library()
    papers, table = _chosen(library, arguments.target)
    if arguments.plot is not None and (table is None or arguments.conflicts):
        raise UsageError("--plot draws one figure: name it as PAPER:FIGURE, e.g. ifr:figure4.")
    if arguments.conflicts:
        _print_conflicts(library, arguments.target, arguments.as_json)
    elif table is not None:
        comparison = _comparison(library, papers[0], table, _checked_records(arguments), arguments)
        if arguments.plot is not None:
            from vis_bench.report.papers.figure import write_published_figure  # needs matplotlib

            write_published_figure(arguments.plot, comparison)
        if arguments.as_json:
            typer.echo(dump_json(as_json(comparison), indent=1))
        else:
            typer.echo(_FORMATS[arguments.format](comparison))
    elif arguments.as_json:
        _print_all(library, papers, arguments)
    else:
        _print_list(papers)


def _chosen(library: Library, target: str | None) -> tuple[tuple[PublishedPaper, ...], PublishedTable | None]:
    if target is None:
        return tuple(library.papers.values()), None
    name, colon, number = target.partition(":")
    paper = library.paper(name)
    return (paper,), paper.table(number) if colon else None


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


def _checked_records(arguments: ReproduceArguments) -> Found:
    """The records, once --on is known to be a data set: by name, in the records or as a path."""
    records = _read_records(arguments.records)
    on = arguments.on
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


def _comparison(
    library: Library,
    paper: PublishedPaper,
    table: PublishedTable,
    records: Found,
    arguments: ReproduceArguments,
) -> Comparison:
    on = arguments.on
    measured_on = None if on is None else _name_in_records(on)
    rows = compare(library, paper, table, _blocks(table, records), measured_on, arguments.threshold)
    out = str(arguments.records or DEFAULT_RECORDS)
    commands = run_commands(library.terms, paper, table, rows, on, out)
    return Comparison(library, paper, table, rows, tuple(commands))


def _print_all(library: Library, papers: tuple[PublishedPaper, ...], arguments: ReproduceArguments) -> None:
    """Every table as JSON; figures, whose numbers are not printed, are asked for by name."""
    records = _checked_records(arguments)
    found = [
        as_json(_comparison(library, paper, table, records, arguments))
        for paper in papers
        for table in paper.tables
        if not table.is_figure
    ]
    typer.echo(dump_json(found, indent=1))


def _print_list(papers: tuple[PublishedPaper, ...]) -> None:
    for paper in papers:
        for line in wrap(f"{paper.paper}  {paper.title}, {paper.source}", TERMINAL_WIDTH, "  "):
            typer.echo(line)
        for table in paper.tables:
            name = f"{paper.paper}:{table.table}"
            about = f"{table.caption}; {table.dataset}"
            typer.echo(f"  {name:<16}{len(table.rows):>3} rows  {cut_end(about, TERMINAL_WIDTH - 28)}")
    typer.echo("One table: vis-bench reproduce PAPER:TABLE. Contradictions: --conflicts.")


def _print_conflicts(library: Library, target: str | None, json: bool) -> None:
    shown = [
        conflict
        for conflict in library.conflicts
        if target is None
        or any(target in (cells.table, cells.table.partition(":")[0]) for cells in conflict.cells)
    ]
    if json:
        found = [
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
            for conflict in shown
        ]
        typer.echo(dump_json(found, indent=1))
        return
    for conflict in shown:
        for line in wrap(f"{conflict.id:<4}{conflict_text(library, conflict)}", TERMINAL_WIDTH, "    "):
            typer.echo(line)
