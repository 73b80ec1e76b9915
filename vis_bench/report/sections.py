"""The tables of the Markdown report."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from vis_bench.report.caption import block_notes, row_problem, visible_columns
from vis_bench.report.cell_text import mean_and_sd_text
from vis_bench.report.columns import MOT_NAMES, Column, Record, category_column, mot_column
from vis_bench.report.pipe_table import escape, pipe_table
from vis_bench.report.rows import DONE, Block, Row

CLASS_MODES = ("class_agnostic", "class_aware")


def comparison_section(block: Block, columns: Sequence[Column]) -> str:
    """The main table of a block with its notes."""
    shown = visible_columns(block, columns)
    lines = []
    for row in block.rows:
        label = escape(row.label(block.default_config))
        if row.status == DONE:
            lines.append(
                [label, str(len(row.done_seeds)), *(mean_and_sd_text(row, column) for column in shown)]
            )
        else:
            lines.append([f"{label}: {escape(row_problem(row))}", "0", *("" for _ in shown)])
    table = pipe_table(["method", "seeds", *(escape(column.name) for column in shown)], lines)
    notes = "\n".join(f"- {escape(note)}" for note in block_notes(block))
    return f"{table}\n\n{notes}" if notes else table


def category_section(block: Block) -> str:
    """AP of every category (rows) for every method with numbers (columns); empty without such numbers."""
    rows = [row for row in block.rows if row.status == DONE]
    names = dict.fromkeys(name for row in rows for record in row.done for name in _per_category(record))
    if not names:
        return ""
    header = ["category", *(escape(row.label(block.default_config)) for row in rows)]
    lines = [
        [escape(name), *(mean_and_sd_text(row, category_column(name)) for row in rows)] for name in names
    ]
    return f"### AP by category\n\n{pipe_table(header, lines)}"


def _per_category(record: Record) -> Mapping[str, Any]:
    return record["metrics"].get("per_category") or {}


def mot_section(block: Block) -> str:
    """Tracking metrics at every score threshold that the records hold; empty without such numbers."""
    tables = []
    for classes in CLASS_MODES:
        lines = [
            _mot_line(row, row.label(block.default_config), threshold, classes)
            for row in block.rows
            for threshold in _thresholds(row, classes)
        ]
        if lines:
            table = pipe_table(["method", "score above", *MOT_NAMES], lines)
            tables.append(f"{classes.replace('_', '-').capitalize()}:\n\n{table}")
    if not tables:
        return ""
    boxes = "Predicted boxes" if block.iou_type == "bbox" else "Boxes around the masks"
    about = f"{boxes}, matched at IoU 0.5 or more; fractions in percent, the others are counts."
    return "\n\n".join(["### Tracking by score threshold", about, *tables])


def _thresholds(row: Row, classes: str) -> list[str]:
    found = {
        threshold
        for record in row.done
        for threshold in (record["metrics"].get("mot") or {}).get(classes) or {}
    }
    return sorted(found, key=float)


def _mot_line(row: Row, label: str, threshold: str, classes: str) -> list[str]:
    cells = [mean_and_sd_text(row, mot_column(name, threshold, classes)) for name in MOT_NAMES]
    return [escape(label), escape(threshold), *cells]


def methods_section(blocks: Sequence[Block]) -> str:
    """Who the methods are: paradigm, on-line or not, measured look-ahead, parameters, training time."""
    records: dict[tuple[str, str], list[Record]] = {}
    for block in blocks:
        for row in block.rows:
            records.setdefault((row.method, row.config), []).extend(row.records)
    lines = [_method_line(method, config, found) for (method, config), found in records.items()]
    header = ["method", "configuration", "title", "paradigm", "on-line", "look-ahead (frames)"]
    header += ["parameters", "trainable", "mean training (s)"]
    return f"## Methods\n\n{pipe_table(header, lines, text_columns=5)}"


def _method_line(method: str, config: str, records: Sequence[Record]) -> list[str]:
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
    return [
        escape(method),
        escape(config),
        escape(str(_first(records, "title") or "-")),
        escape(str(_first(records, "paradigm") or "-")),
        online,
        str(max(look_aheads)) if look_aheads else "-",
        *(f"{parameters[name]:,}" if name in parameters else "-" for name in ("total", "trainable")),
        f"{statistics.fmean(seconds):.0f}" if seconds else "-",
    ]


def _first(records: Sequence[Record], key: str) -> Any:
    """The first value that is not null; the values do not differ between runs of one configuration."""
    return next((record[key] for record in records if record.get(key) is not None), None)
