"""A published table beside what was measured: text for a terminal, and JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from vis_bench.report.papers.cells import TOLERANCE, ComparedCell, ComparedRow
from vis_bench.report.papers.claims import MeasuredClaim, claim_lines, claims_json
from vis_bench.report.papers.notes import cell_marks, conflict_text, footnotes, marks, number
from vis_bench.report.papers.published import Library, PublishedPaper, PublishedTable
from vis_bench.report.tables.text import TERMINAL_WIDTH, display_width, pad_left, pad_right, wrap

_GAP = 2
_COMMAND_WIDTH = TERMINAL_WIDTH - 4
_BOUND = "FPS_upper_bound"
_COUNTS = frozenset({"IDs"})


@dataclass(frozen=True, slots=True)
class Comparison:
    """A table, its rows with what was measured, and the commands that would measure more.

    claims: what the paper says of pairs of its rows, measured on the data set `on`; empty without one.
    """

    published_tables: Library
    paper: PublishedPaper
    table: PublishedTable
    rows: tuple[ComparedRow, ...]
    commands: tuple[str, ...] = ()
    claims: tuple[MeasuredClaim, ...] = ()
    on: str | None = None

    @property
    def where(self) -> str:
        """`PAPER:TABLE`."""
        return f"{self.paper.paper}:{self.table.table}"

    @property
    def columns(self) -> tuple[str, ...]:
        """Metrics that get a column; the upper bound of a speed stands in the column of the speed."""
        return tuple(name for name in self.table.metrics if name != _BOUND)

    @property
    def name(self) -> str:
        """`Table 2a` or `Figure 4`."""
        number_ = self.table.table.removeprefix("figure")
        return f"Figure {number_}" if self.table.is_figure else f"Table {number_}"


def as_json(comparison: Comparison) -> dict[str, Any]:
    """The machine contract of `vis-bench reproduce --json`; numbers in the unit of the paper."""
    table, library = comparison.table, comparison.published_tables
    return {
        "paper": comparison.paper.paper,
        "table": table.table,
        "caption": table.caption,
        "split": table.split,
        "rows": [_row_json(library, comparison.where, row) for row in comparison.rows],
        "claims": claims_json(comparison.claims),
        "notes": list(table.notes),
        "differences": list(comparison.paper.differences),
        "commands": list(comparison.commands),
    }


def _row_json(library: Library, where: str, row: ComparedRow) -> dict[str, Any]:
    source = row.source
    shown = [cell for cell in row.cells if cell.measured is not None]
    return {
        "method": row.row.method,
        "backbone": row.row.backbone,
        "dataset": row.dataset,
        "setting": row.row.setting,
        "extra_data": row.row.extra_data,
        "published": dict(row.row.published),
        "published_std": dict(row.row.std),
        "measured": {cell.metric: cell.measured for cell in shown} if source is not None and shown else None,
        "measured_std": {cell.metric: cell.sd for cell in shown if cell.sd is not None},
        "status": row.status,
        "cells": {
            cell.metric: {
                "status": cell.status,
                "difference": cell.difference,
                "interval_only": cell.interval_only,
            }
            for cell in row.cells
        },
        "why": list(row.why),
        "records": None
        if source is None
        else {
            "run": source.name,
            "dataset": source.block.dataset,
            "split": source.block.split,
            "protocol": source.block.protocol,
            "videos": source.block.videos,
            "seeds": list(source.row.done_seeds),
        },
        "runs": list(row.row.runs),
        "conflicts": [
            {"id": conflict.id, "metrics": list(names), "text": conflict_text(library, conflict, where)}
            for conflict, names in row.conflicts
        ],
    }


def as_text(comparison: Comparison) -> str:
    """Text of at most 80 columns; a longer command goes on behind a backslash, as a shell takes it."""
    lines = [
        *wrap(f"{comparison.where}  {comparison.table.caption}", TERMINAL_WIDTH),
        *about_lines(comparison),
        "",
    ]
    lines += _grid(comparison)
    for letter, text in footnotes(comparison.published_tables, comparison.rows, comparison.where):
        lines += wrap(f"{letter} {text}", TERMINAL_WIDTH, "  ")
    if comparison.on is not None:
        lines += ["", *claim_lines(comparison.claims, comparison.on)]
    lines += ["", *wrap(legend(), TERMINAL_WIDTH)]
    for note in comparison.table.notes:
        lines += wrap(f"Note: {note}", TERMINAL_WIDTH, "  ")
    lines += ["Done otherwise here:"]
    for difference in comparison.paper.differences:
        lines += wrap(f"- {difference}", TERMINAL_WIDTH, "  ")
    if comparison.commands:
        lines += ["Commands that measure:", *(line for text in comparison.commands for line in _shell(text))]
    return "\n".join(lines)


def _shell(command: str) -> list[str]:
    """Lines of 80 columns that a shell reads as the command; a long list is broken without a blank."""
    lines = [f"  {line}" for line in wrap(command, _COMMAND_WIDTH, "    ", whole_words=True)]
    narrow = []
    for position, line in enumerate(lines, 1):
        rest = line
        while display_width(rest) > _COMMAND_WIDTH + 2:
            # within a word no blank may come in
            narrow.append(rest[:_COMMAND_WIDTH] + "\\")
            rest = rest[_COMMAND_WIDTH:]
        narrow.append(rest + (" \\" if position < len(lines) else ""))
    return narrow


def about_lines(comparison: Comparison) -> list[str]:
    """Title of the paper, table, split and what all rows share, as lines."""
    shared = _shared(comparison)
    text = f"{comparison.paper.title}, {comparison.name}; split: {comparison.table.split}."
    if shared:
        text += f" All rows: {', '.join(shared)}."
    return wrap(text, TERMINAL_WIDTH)


def _shared(comparison: Comparison) -> list[str]:
    backbones = {row.row.backbone for row in comparison.rows}
    datasets = {row.dataset for row in comparison.rows}
    return [
        next(iter(values)) or "no backbone printed" for values in (backbones, datasets) if len(values) == 1
    ]


def row_title(comparison: Comparison, row: ComparedRow) -> str:
    """Method, with backbone, data set and setting where rows differ in them."""
    several_backbones = len({other.row.backbone for other in comparison.rows}) > 1
    several_datasets = len({other.dataset for other in comparison.rows}) > 1
    parts = [row.row.method]
    if several_backbones and row.row.backbone:
        parts.append(row.row.backbone)
    if several_datasets:
        parts.append(row.dataset)
    return ", ".join([*parts, *([row.row.setting] if row.row.setting else [])])


def legend() -> str:
    """What counts as reproduced."""
    return (
        f"reproduced: same data set, split and backbone, and at most {TOLERANCE} points (or half the 95 % "
        f"interval over seeds) away; of millions and counts {TOLERANCE} %."
    )


def published_text(row: ComparedRow, metric: str) -> str:
    """A printed number, `<20` for a bound, empty where the row has no such metric."""
    if metric not in row.row.published:
        return ""
    bound = row.row.published.get(_BOUND) if metric == "FPS" else None
    return f"<{number(bound)}" if bound is not None else number(row.row.published[metric])


def letters_of(row: ComparedRow, metric: str, letters: dict[str, str]) -> str:
    """Letters of the contradictions of a cell, those of a bound with those of the speed."""
    names = [metric, *([_BOUND] if metric == "FPS" else [])]
    return "".join(dict.fromkeys(cell_marks(row, name, letters) for name in names))


def value_text(cell: ComparedCell | None, value: float | None) -> str:
    """A measured number with one decimal, counts whole; empty for None."""
    if cell is None or value is None:
        return ""
    return f"{value:.0f}" if cell.metric in _COUNTS and value == round(value) else f"{value:.1f}"


def cells_by_metric(row: ComparedRow) -> dict[str, ComparedCell]:
    """The cells of a row by metric."""
    return {cell.metric: cell for cell in row.cells}


def _row_lines(comparison: Comparison, row: ComparedRow) -> list[tuple[str, list[str]]]:
    """(label, texts per column) of a row: published, spread, measured, spread; empty lines left out."""
    cells, columns = cells_by_metric(row), comparison.columns
    lines = [("published", [published_text(row, metric) for metric in columns])]
    if row.row.std:
        lines.append(("  printed ±", [number(row.row.std[m]) if m in row.row.std else "" for m in columns]))
    if row.source is not None:
        seeds = len(row.source.row.done_seeds)
        measured = [value_text(cells.get(m), cells[m].measured if m in cells else None) for m in columns]
        if any(measured):
            lines.append((f"measured, {seeds} seed{'s' * (seeds > 1)}", measured))
        spread = [value_text(cells.get(m), cells[m].sd if m in cells else None) for m in columns]
        if any(spread):
            lines.append(("  sd over seeds", spread))
    return lines


def status_text(row: ComparedRow) -> str:
    """The status of a row in words, with the cells that differ and the reasons."""
    name = f"{row.source.name}: " if row.source is not None and row.status != "not measured" else ""
    if row.why:
        return f"{name}{row.status}: {'; '.join(row.why)}{_unmeasured(row)}"
    parts = []
    same = [
        cell.metric
        # a wide interval reproduces everything, so it does not pass for agreement
        + ("" if cell.interval_only is None else f" (only within ±{cell.interval_only:.1f} over seeds)")
        for cell in row.cells
        if cell.status == "reproduced"
    ]
    away = [f"{cell.metric} ({cell.difference:+.1f})" for cell in row.cells if cell.status == "differs"]
    if same:
        parts.append(f"reproduced: {', '.join(same)}")
    if away:
        parts.append(f"differs: {', '.join(away)}")
    return name + "; ".join(parts) + _unmeasured(row)


def _unmeasured(row: ComparedRow) -> str:
    """Cells that a measured row leaves empty."""
    names = [cell.metric for cell in row.cells if cell.status == "not measured"]
    return f" (not in records: {', '.join(names)})" if names and row.status != "not measured" else ""


def _grid(comparison: Comparison) -> list[str]:
    letters = marks(comparison.rows)
    columns = comparison.columns
    blocks = [(row, _row_lines(comparison, row)) for row in comparison.rows]
    widths, mark_widths = [], []
    for position, metric in enumerate(columns):
        texts = [texts[position] for _, lines in blocks for _, texts in lines]
        widths.append(max(display_width(text) for text in [*texts, metric]))
        mark_widths.append(max((len(letters_of(row, metric, letters)) for row, _ in blocks), default=0))
    label_width = 2 + max(display_width(label) for _, lines in blocks for label, _ in lines)

    def line(label: str, texts: Sequence[str], notes: Sequence[str]) -> str:
        cells = [
            " " * _GAP + pad_left(text, width) + pad_right(note, mark_width)
            for text, width, note, mark_width in zip(texts, widths, notes, mark_widths, strict=True)
        ]
        return (pad_right(label, label_width) + "".join(cells)).rstrip()

    empty = [""] * len(columns)
    header = line("", columns, empty)
    rule = "-" * (label_width + sum(_GAP + w + m for w, m in zip(widths, mark_widths, strict=True)))
    lines = [header, rule]
    for row, row_lines in blocks:
        lines += wrap(row_title(comparison, row), TERMINAL_WIDTH, "  ")
        for label, texts in row_lines:
            noted = [letters_of(row, m, letters) for m in columns] if label == "published" else empty
            lines.append(line(f"  {label}", texts, noted))
        lines += [f"  {part}" for part in wrap(status_text(row), TERMINAL_WIDTH - 2, "  ")]
    return [*lines, ""]
