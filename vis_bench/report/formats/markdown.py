"""The report folder in Markdown: report.md, table.csv and the pictures, written from records only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from vis_bench.errors import DataError
from vis_bench.files import read_bytes, write_bytes, write_text
from vis_bench.method import Choice
from vis_bench.records.columns import COLUMNS, DEFAULT_COLUMNS, Record, choose_columns
from vis_bench.records.rows import Protocols
from vis_bench.report.formats.csv_file import csv_text, table_frame
from vis_bench.report.formats.pipe_table import code_block, escape, image, pipe_table
from vis_bench.report.tables.blocks import Table
from vis_bench.report.tables.page import ABOUT, BlockPart, BlockPlots, Page, report_page

REPORT_NAME = "report.md"
CSV_NAME = "table.csv"
NOT_INSTALLED = (
    "This installation has no protocol of this name with this hash, so its text is not shown: "
    "vis-bench report --protocol FILE.toml names its file."
)


def write_report(
    folder: Path,
    records: Sequence[Record],
    pictures: Mapping[str, Path],
    metrics: Sequence[str] = DEFAULT_COLUMNS,
    protocols: Protocols | None = None,
    choices: Mapping[str, Sequence[Choice]] | None = None,
) -> Path:
    """Write report.md and table.csv of `records` into `folder` and return the path of report.md.

    pictures: files by their caption, copied into `folder/pictures` unless inside the folder. Other arguments
    and errors as `vis_bench.report.tables.page.report_page`; DataError for a missing picture as well.
    """
    return write_markdown(folder, report_page(records, metrics, protocols, choices), pictures)


def write_markdown(
    folder: Path, page: Page, pictures: Mapping[str, Path], plots: Sequence[BlockPlots] = ()
) -> Path:
    """Write report.md and table.csv of a page; returns the path of report.md.

    pictures: as `write_report`. plots: those of each block, inside the folder; empty for none.
    """
    shown = list(plots) or [BlockPlots()] * len(page.blocks)
    sections = [
        "# vis-bench report",
        ABOUT,
        *(
            section
            for part, own in zip(page.blocks, shown, strict=True)
            for section in _block_sections(folder, part, own)
        ),
        _legend(page),
        f"## {page.methods.title}\n\n{markdown_table(page.methods)}",
        _protocol_section(page),
        _not_from_a_paper_section(page),
        _pictures_section(folder, pictures),
        _origin_section(page),
    ]
    frame = table_frame([part.block for part in page.blocks], choose_columns(tuple(COLUMNS), page.threshold))
    write_text(folder / CSV_NAME, csv_text(frame))
    write_text(folder / REPORT_NAME, "\n\n".join(section for section in sections if section) + "\n")
    return folder / REPORT_NAME


def markdown_table(table: Table) -> str:
    """A table with its notes; names are escaped, numbers stand as they are."""
    named = table.text_columns
    lines = [[*(escape(cell) for cell in line[:named]), *line[named:]] for line in table.lines]
    drawn = pipe_table([escape(name) for name in table.header], lines, text_columns=named)
    notes = "\n".join(f"- {escape(note)}" for note in table.notes)
    return f"{drawn}\n\n{notes}" if notes else drawn


def _block_sections(folder: Path, part: BlockPart, plots: BlockPlots) -> list[str]:
    sections = [f"## {escape(part.heading)}", markdown_table(part.main)]
    if part.intervals is not None:
        sections.append(f"### {part.intervals.title}\n\n{markdown_table(part.intervals)}")
        sections.append(part.intervals.about)
    if part.categories is not None:
        sections.append(f"### {part.categories.title}\n\n{markdown_table(part.categories)}")
    if part.tracking:
        sections += ["### Tracking by score threshold", part.tracking[0].about]
        sections += [f"{table.title}:\n\n{markdown_table(table)}" for table in part.tracking]
    for plot in plots.plots:
        relative = plot.path.relative_to(folder).as_posix()
        sections.append(f"### {escape(plot.title)}\n\n{image(plot.title, relative)}\n\n{escape(plot.about)}")
    if plots.notes:
        sections.append("\n".join(f"- {escape(note)}" for note in plots.notes))
    return sections


def _legend(page: Page) -> str:
    lines = [
        *(escape(sentence) for sentence in page.legend),
        f"All columns at full precision: [{CSV_NAME}]({CSV_NAME}).",
    ]
    return "## How to read the tables\n\n" + "\n".join(f"- {line}" for line in lines)


def _protocol_section(page: Page) -> str:
    parts = ["## Protocol"]
    for one in page.protocols:
        parts.append(f"### {escape(one.name)} ({escape(one.content_hash)})")
        if one.settings is None:
            parts.append(NOT_INSTALLED)
        else:
            parts += [escape(one.about), code_block(one.settings, "json")]
    if page.differences is not None:
        parts.append(f"### {page.differences.title}\n\n{markdown_table(page.differences)}")
    return "\n\n".join(parts)


def _not_from_a_paper_section(page: Page) -> str:
    parts = ["\n".join(f"- {escape(text)}" for text in page.not_from_a_paper)]
    if page.open_points is not None:
        parts += [f"{page.open_points.about}:", markdown_table(page.open_points)]
    parts = [part for part in parts if part]
    return "\n\n".join(["## What is not from a paper", *parts]) if parts else ""


def _pictures_section(folder: Path, pictures: Mapping[str, Path]) -> str:
    """Pictures outside the folder are copied into it, numbered so that equal names do not collide."""
    parts = []
    for number, (label, path) in enumerate(pictures.items(), start=1):
        target = path.resolve()
        if not target.is_relative_to(folder.resolve()):
            target = folder.resolve() / "pictures" / f"{number:02d}_{path.name}"
            write_bytes(target, read_bytes(path))
        elif not target.is_file():
            raise DataError(f"{path}: no such picture for the report.")
        relative = target.relative_to(folder.resolve()).as_posix()
        parts.append(f"### {escape(label)}\n\n{image(label, relative)}")
    return "\n\n".join(["## Pictures", *parts]) if parts else ""


def _origin_section(page: Page) -> str:
    parts = [f"{title}:\n\n{code_block(text, 'json')}" for title, text in page.origin]
    return "\n\n".join(["## Where the numbers come from", *parts]) if parts else ""
