"""The tables of a report as plain texts; Markdown, HTML and LaTeX escape and draw the same ones."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vis_bench.records.columns import COLUMNS, MOT_NAMES, Column, Record, category_column, mot_column
from vis_bench.records.keys import row_key
from vis_bench.records.operating_point import source_of
from vis_bench.records.rows import DONE, Block, Row
from vis_bench.report.tables.caption import block_notes, row_problem, visible_columns
from vis_bench.report.tables.cell_text import interval_text, mean_and_sd_text

INTERVALS = (
    "t intervals of the mean over seeds: what other trainings would give on these videos. Intervals that "
    "overlap decide nothing; vis-bench compare also covers other videos. An interval that would leave the "
    "range of its metric is cut there."
)
CLASS_MODES = ("class_agnostic", "class_aware")
AT_POINT = "operating point"


@dataclass(frozen=True, slots=True)
class Table:
    """Cells as plain text, not escaped for any language. The first `text_columns` columns are names, the
    others numbers. title: of its section, empty for the main table. about: what the numbers are.
    """

    title: str
    about: str
    header: tuple[str, ...]
    lines: tuple[tuple[str, ...], ...]
    text_columns: int = 1
    notes: tuple[str, ...] = ()


def main_table(block: Block, columns: Sequence[Column]) -> Table:
    """The main table of a block with its notes; a row without numbers says why in its first cell."""
    shown = visible_columns(block, columns)
    several = len(paradigms(block)) > 1
    lines: list[tuple[str, ...]] = []
    for row in block.rows:
        label = row.label(block.default_config)
        names = (row.paradigm,) if several else ()
        if row.status == DONE:
            numbers = (mean_and_sd_text(row, column) for column in shown)
            lines.append((label, *names, str(len(row.done_seeds)), *numbers))
        else:
            lines.append((f"{label}: {row_problem(row)}", *names, "0", *("" for _ in shown)))
    header = ("method", *(["paradigm"] if several else []), "seeds", *(column.name for column in shown))
    notes = tuple(block_notes(block, columns))
    return Table("", "", header, tuple(lines), text_columns=1 + several, notes=notes)


def paradigms(block: Block) -> tuple[str, ...]:
    """The paradigms of a block's methods, in the order of its rows."""
    return tuple(dict.fromkeys(row.paradigm for row in block.rows))


def interval_table(block: Block, columns: Sequence[Column]) -> Table | None:
    """95 % intervals over seeds of the main table's columns; None where every method has one seed."""
    shown = visible_columns(block, columns)
    lines = tuple(
        (
            row.label(block.default_config),
            str(len(row.done_seeds)),
            *(interval_text(row, column) for column in shown),
        )
        for row in block.rows
        if len(row.done_seeds) > 1
    )
    header = ("method", "seeds", *(column.name for column in shown))
    return Table("95 % intervals over seeds", INTERVALS, header, lines) if lines else None


def category_table(block: Block) -> Table | None:
    """AP of every category (rows) for every method with numbers (columns); None without such numbers."""
    rows = [row for row in block.rows if row.status == DONE]
    names = category_names(block)
    if not names:
        return None
    header = ("category", *(row.label(block.default_config) for row in rows))
    lines = tuple((name, *(mean_and_sd_text(row, category_column(name)) for row in rows)) for name in names)
    return Table("AP by category", "", header, lines)


def category_names(block: Block) -> tuple[str, ...]:
    """Categories with a score in any done record, in their order."""
    rows = [row for row in block.rows if row.status == DONE]
    return tuple(dict.fromkeys(name for row in rows for record in row.done for name in _per_category(record)))


def _per_category(record: Record) -> Mapping[str, Any]:
    return record["metrics"].get("per_category") or {}


def mot_tables(block: Block) -> tuple[Table, ...]:
    """Tracking metrics at the operating point (class-agnostic) and at every score threshold that the records
    hold, one table per class mode."""
    boxes = "Predicted boxes" if block.iou_type == "bbox" else "Boxes around the masks"
    about = f"{boxes}, matched at IoU 0.5 or more; fractions in percent, the others are counts."
    tables = []
    for classes in CLASS_MODES:
        lines = tuple(
            _mot_line(row, row.label(block.default_config), threshold, classes)
            for row in block.rows
            for threshold in _thresholds(row, classes)
        )
        if lines:
            title = classes.replace("_", "-").capitalize()
            tables.append(Table(title, about, ("method", "score above", *MOT_NAMES), lines))
    return tuple(tables)


def _thresholds(row: Row, classes: str) -> list[str]:
    found = {
        threshold
        for record in row.done
        for threshold in (record["metrics"].get("mot") or {}).get(classes) or {}
    }
    at_point = classes == "class_agnostic" and row.done and all(map(source_of, row.done))
    return [*([AT_POINT] if at_point else []), *sorted(found, key=float)]


def _mot_line(row: Row, label: str, threshold: str, classes: str) -> tuple[str, ...]:
    columns = (
        COLUMNS[name] if threshold == AT_POINT else mot_column(name, threshold, classes) for name in MOT_NAMES
    )
    return (label, threshold, *(mean_and_sd_text(row, column) for column in columns))


def methods_table(blocks: Sequence[Block]) -> Table:
    """Who the methods are: paradigm, on-line or not, measured look-ahead, parameters, training time."""
    records: dict[tuple[str, ...], list[Record]] = {}
    names: dict[tuple[str, ...], tuple[str, str]] = {}
    for block in blocks:
        for row in block.rows:
            key = row_key(row.records[0])
            records.setdefault(key, []).extend(row.records)
            names.setdefault(key, (row.method, row.configuration))
    lines = tuple(_method_line(*names[key], found) for key, found in records.items())
    who = ("method", "configuration", "title", "paradigm", "on-line", "look-ahead (frames)")
    header = (*who, "parameters", "trainable", "mean training (s)")
    return Table("Methods", "", header, lines, text_columns=5)


def _method_line(method: str, config: str, records: Sequence[Record]) -> tuple[str, ...]:
    online = {True: "yes", False: "no"}.get(_first(records, "online"), "-")
    look_aheads = [
        record["look_ahead_frames"] for record in records if record.get("look_ahead_frames") is not None
    ]
    seconds = [
        record["timing"]["train_seconds"]
        for record in records
        if (record.get("timing") or {}).get("train_seconds") is not None
    ]
    parameters = _first(records, "parameters") or {}
    return (
        method,
        config,
        str(_first(records, "title") or "-"),
        str(_first(records, "paradigm") or "-"),
        online,
        str(max(look_aheads)) if look_aheads else "-",
        *(f"{parameters[name]:,}" if name in parameters else "-" for name in ("total", "trainable")),
        f"{statistics.fmean(seconds):.0f}" if seconds else "-",
    )


def _first(records: Sequence[Record], key: str) -> Any:
    """The first value that is not null; the values do not differ between runs of one configuration."""
    return next((record[key] for record in records if record.get(key) is not None), None)
