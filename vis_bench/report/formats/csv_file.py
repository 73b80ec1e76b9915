"""The rows of the tables as a CSV file at full precision, for plots and spreadsheets."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pandas

from vis_bench.records.columns import Column
from vis_bench.records.rows import Block, Row
from vis_bench.report.tables.text import no_formula


def csv_text(frame: pandas.DataFrame) -> str:
    """A frame as CSV; text that a spreadsheet would compute stays text."""
    safe = frame.map(lambda value: no_formula(value) if isinstance(value, str) else value)
    return safe.to_csv(index=False, lineterminator="\n")


def table_frame(blocks: Sequence[Block], columns: Sequence[Column]) -> pandas.DataFrame:
    """One line per row of a table: who and on what, then mean, sd and half the 95 % interval over
    seeds of every column.

    Fractions stay 0..1, seconds are per frame; undefined numbers are empty. Seeds are separated by blanks.
    """
    head = [
        "dataset",
        "split",
        "videos",
        "protocol",
        "protocol_hash",
        "iou_type",
        "method",
        "config",
        "overrides",
        "initial_weights",
        "training",
    ]
    head += ["device", "status", "seeds_done", "problems"]
    names = [f"{column.name}_{part}" for column in columns for part in ("mean", "sd", "half_interval")]
    lines = [_line(block, row, columns) for block in blocks for row in block.rows]
    return pandas.DataFrame(lines, columns=[*head, *names])


def _line(block: Block, row: Row, columns: Sequence[Column]) -> dict[str, object]:
    line: dict[str, object] = {
        "dataset": block.dataset,
        "split": block.split,
        "videos": block.videos,
        "protocol": block.protocol,
        "protocol_hash": block.protocol_hash,
        "iou_type": block.iou_type,
        "method": row.method,
        "config": row.config,
        "overrides": json.dumps(dict(row.overrides)) if row.overrides else "",
        "initial_weights": row.initial_weights,
        "training": block.training,
        "device": "; ".join(row.devices),
        "status": row.status,
        "seeds_done": " ".join(map(str, row.done_seeds)),
        "problems": "; ".join(f"seed {seed} {status}: {error}" for seed, status, error in row.problems),
    }
    for column in columns:
        cell = row.cell(column)
        line[f"{column.name}_mean"] = cell.mean
        line[f"{column.name}_sd"] = cell.sd
        line[f"{column.name}_half_interval"] = cell.half_interval
    return line
