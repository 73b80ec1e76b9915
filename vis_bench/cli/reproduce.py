"""vis-bench reproduce."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vis_bench.cli.options import PrintJson, optional_path

if TYPE_CHECKING:
    from vis_bench.report.papers.published import Library, PublishedPaper


def reproduce(
    target: Annotated[
        str | None, typer.Argument(metavar="PAPER[:TABLE]", help="e.g. inspro:1, stc:4, ifr:figure4.")
    ] = None,
    records: Annotated[
        str | None, typer.Option(help="Folder of records to compare with.  [default: runs]")
    ] = None,
    on: Annotated[
        str | None, typer.Option(metavar="DATASET", help="Take measured numbers from this data set only.")
    ] = None,
    conflicts: Annotated[
        bool, typer.Option("--conflicts", help="List the contradictions between and inside the papers.")
    ] = False,
    json_: PrintJson = False,
    format_: Annotated[str, typer.Option("--format", help="text, markdown or latex (booktabs).")] = "text",
    threshold: Annotated[
        str, typer.Option(help="Score from which tracks count in tracking metrics: 0.0, 0.1, 0.3, 0.5.")
    ] = "0.3",
    plot: Annotated[
        str | None, typer.Option(metavar="FILE", help="Draw a figure of a paper from the records (PNG).")
    ] = None,
) -> None:
    """Print the papers' tables beside what was measured, and say of every row whether it is reproduced.

    \b
    Examples:
      vis-bench reproduce
      vis-bench reproduce inspro:1 --records results
      vis-bench reproduce ifr:3 --on shapes
      vis-bench reproduce ifr:figure4 --on shapes --plot figure4.png
      vis-bench reproduce --conflicts
    """
    from vis_bench.errors import UsageError, did_you_mean
    from vis_bench.files import dump_json
    from vis_bench.report.papers.markup import as_latex, as_markdown
    from vis_bench.report.papers.published import published_library
    from vis_bench.report.papers.reproduce import THRESHOLDS, comparison, found_records
    from vis_bench.report.papers.table import as_json, as_text

    formats = {"text": as_text, "markdown": as_markdown, "latex": as_latex}
    if format_ not in formats:
        raise UsageError(f"--format {format_!r}.{did_you_mean(format_, formats)}")
    if threshold not in THRESHOLDS:
        raise UsageError(f"--threshold {threshold!r}: must be one of {', '.join(THRESHOLDS)}.")
    library, folder = published_library(), optional_path(records)
    name, colon, number = (target or "").partition(":")
    papers = tuple(library.papers.values()) if target is None else (library.paper(name),)
    table = papers[0].table(number) if colon else None
    if plot and (table is None or conflicts):
        raise UsageError("--plot draws one figure: name it as PAPER:FIGURE, e.g. ifr:figure4.")
    if conflicts:
        _print_conflicts(library, target, json_)
    elif table is None and not json_:
        _print_list(papers)
    else:
        found = found_records(folder, on)
        beside = partial(comparison, library, records=found, folder=folder, on=on, threshold=threshold)
        if table is None:
            # figures, whose numbers are not printed, are asked for by name
            tables = [(paper, one) for paper in papers for one in paper.tables if not one.is_figure]
            values = [as_json(beside(paper, one)) for paper, one in tables]
            typer.echo(dump_json(values, indent=1))
            return
        result = beside(papers[0], table, with_claims=on is not None)
        if plot:
            from vis_bench.report.papers.figure import write_published_figure  # needs matplotlib

            write_published_figure(Path(plot), result)
        typer.echo(dump_json(as_json(result), indent=1) if json_ else formats[format_](result))


def _print_list(papers: Sequence[PublishedPaper]) -> None:
    from vis_bench.report.tables.text import TERMINAL_WIDTH, cut_end, wrap

    for paper in papers:
        for line in wrap(f"{paper.paper}  {paper.title}, {paper.source}", TERMINAL_WIDTH, "  "):
            typer.echo(line)
        for table in paper.tables:
            name = f"{paper.paper}:{table.table}"
            about = f"{table.caption}; {table.dataset}"
            typer.echo(f"  {name:<16}{len(table.rows):>3} rows  {cut_end(about, TERMINAL_WIDTH - 28)}")
    typer.echo("One table: vis-bench reproduce PAPER:TABLE. Contradictions: --conflicts.")


def _print_conflicts(library: Library, target: str | None, as_json: bool) -> None:
    from vis_bench.files import dump_json
    from vis_bench.report.papers.notes import conflict_text
    from vis_bench.report.papers.reproduce import conflicts_as_json, conflicts_of
    from vis_bench.report.tables.text import TERMINAL_WIDTH, wrap

    shown = conflicts_of(library, target)
    if as_json:
        typer.echo(dump_json(conflicts_as_json(library, shown), indent=1))
        return
    for conflict in shown:
        for line in wrap(f"{conflict.id:<4}{conflict_text(library, conflict)}", TERMINAL_WIDTH, "    "):
            typer.echo(line)
