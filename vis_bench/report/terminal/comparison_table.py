"""The comparison table as text for a terminal of 80 columns."""

from __future__ import annotations

from collections.abc import Sequence

from vis_bench.records.columns import DEFAULT_COLUMNS, Column, Record, choose_columns
from vis_bench.records.rows import DONE, Block, Protocols, Row, build_blocks, installed_protocols
from vis_bench.report.tables.blocks import paradigms
from vis_bench.report.tables.caption import (
    block_notes,
    column_sentences,
    heading,
    marks_sentences,
    pretraining_sentences,
    row_problem,
    shown_columns,
    visible_columns,
)
from vis_bench.report.tables.cell_text import half_interval_text, mean_text, sd_text
from vis_bench.report.tables.text import (
    TERMINAL_WIDTH,
    cut_end,
    display_width,
    one_line,
    pad_left,
    pad_right,
    shorten_all,
    wrap,
)

_GAP = 2
_LABEL_WIDTH_MIN = 17
_INTERVAL_LABEL = "  95 % interval ±"


def comparison_table(
    records: Sequence[Record],
    metrics: Sequence[str] = DEFAULT_COLUMNS,
    protocols: Protocols | None = None,
    threshold: str | None = None,
) -> str:
    """The terminal table of records, every line at most 80 cells wide, without a final line break.

    metrics: column names of `vis_bench.records.columns.COLUMNS`. protocols: by (name, content hash), None for
    the installed ones. threshold: a score that tracks of all methods need in the tracking columns, None for
    the operating points. Only runs on the same data under the same protocol share a table; each such block
    has a heading. Raises UsageError for unknown columns and DataError for malformed records.
    """
    columns = choose_columns(metrics, threshold)
    known = installed_protocols() if protocols is None else protocols
    blocks = build_blocks(records, known)
    if not blocks:
        return "No records."
    lines: list[str] = []
    left_out: dict[str, None] = {}
    for block in blocks:
        wanted = visible_columns(block, columns)
        shown = _fitting(block, wanted)
        left_out.update(dict.fromkeys(column.name for column in wanted[len(shown) :]))
        lines += [*wrap(heading(block), TERMINAL_WIDTH), *_block_lines(block, shown, columns), ""]
    kept = [column for column in columns if column.name not in left_out]
    sentences = [*column_sentences(shown_columns(blocks, kept)), *marks_sentences(blocks, kept)]
    if left_out:
        sentences.append(f"Not shown for lack of width: {', '.join(left_out)}.")
    sentences += pretraining_sentences(blocks, known)
    return "\n".join(lines + wrap(" ".join(sentences), TERMINAL_WIDTH))


def _fitting(block: Block, columns: Sequence[Column]) -> list[Column]:
    """As many of the first columns as fit beside a label of the smallest width."""
    shown: list[Column] = []
    left = TERMINAL_WIDTH - _LABEL_WIDTH_MIN
    for column in columns:
        left -= _GAP + _column_width(block, column)
        if left < 0:
            break
        shown.append(column)
    return shown


def _column_width(block: Block, column: Column) -> int:
    texts = [column.name]
    for row in block.rows:
        if row.status == DONE:
            texts += [mean_text(row, column), sd_text(row, column), half_interval_text(row, column)]
    return max(map(len, texts))


def _sd_label(row: Row) -> str:
    return f"  sd of {len(row.done_seeds)} seeds"


def _block_lines(block: Block, columns: Sequence[Column], asked: Sequence[Column]) -> list[str]:
    widths = [_column_width(block, column) for column in columns]
    numbers_width = sum(_GAP + width for width in widths)
    labels = [one_line(row.label(block.default_config)) for row in block.rows]
    spreads = [_INTERVAL_LABEL] if any(len(row.done_seeds) > 1 for row in block.rows) else []
    spreads += [_sd_label(row) for row in block.rows]
    longest = max(map(display_width, [*labels, "method", *spreads]))
    label_width = min(longest, TERMINAL_WIDTH - numbers_width)
    line_width = label_width + numbers_width

    def line(label: str, texts: Sequence[str]) -> str:
        cells = [" " * _GAP + pad_left(text, width) for text, width in zip(texts, widths, strict=True)]
        return (pad_right(label, label_width) + "".join(cells)).rstrip()

    lines = [line("method", [column.name for column in columns]), "-" * line_width]
    notes = []
    paradigm = "" if len(paradigms(block)) > 1 else block.rows[0].paradigm
    shown = shorten_all(labels, label_width)
    for row, label, short in zip(block.rows, labels, shown, strict=True):
        if row.paradigm != paradigm:
            paradigm = row.paradigm
            lines.append(f"{paradigm}:")
        if short != label:
            notes.append(f"{short} = {label}")
        if row.status != DONE:
            room = TERMINAL_WIDTH - label_width - _GAP
            problem = row_problem(row)
            fits = display_width(problem) <= room
            # in full in the note, and not a piece of it here
            said = problem if fits else cut_end(row.status, room)
            lines.append(pad_right(short, label_width) + " " * _GAP + said)
            if not fits:
                notes.append(f"{label}: {problem}")
            continue
        lines.append(line(short, [mean_text(row, column) for column in columns]))
        if len(row.done_seeds) > 1:
            lines.append(line(_sd_label(row), [sd_text(row, column) for column in columns]))
            lines.append(line(_INTERVAL_LABEL, [half_interval_text(row, column) for column in columns]))
    for note in [*notes, *block_notes(block, asked)]:
        lines += wrap(note, TERMINAL_WIDTH, indent="  ")
    return lines
