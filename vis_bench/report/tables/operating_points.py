"""The table of the operating points: where each method was scored, and how many duplicates it has there."""

from __future__ import annotations

from dataclasses import replace

from vis_bench.records.columns import DUPLICATES
from vis_bench.records.operating_point import source_of, thresholds_text
from vis_bench.records.rows import DONE, Block, Row
from vis_bench.report.tables.blocks import Table
from vis_bench.report.tables.cell_text import mean_and_sd_text

NOTES = (
    "Threshold: of seeds that differ, one after the other; two of one seed are the best ones on the first "
    "and on the second half of the videos, each of which is scored at that of the other.",
    "Duplicates: predictions per 100 object frames on an object that a better-scored one already covers.",
)
_HEADER = ("method", "source", "threshold", "duplicates", "duplicates above 0.05")
_ABOVE_LITTLE = replace(DUPLICATES, path=(*DUPLICATES.path[:-1], "0.05"))


def operating_points_table(block: Block) -> Table | None:
    """One line per method with an operating point; None where no record of the block has one."""
    rows = [row for row in block.rows if row.status == DONE and any(map(source_of, row.done))]
    lines = tuple(_line(row, row.label(block.default_config)) for row in rows)
    return Table("Operating points", "", _HEADER, lines, text_columns=3, notes=NOTES) if lines else None


def _line(row: Row, label: str) -> tuple[str, ...]:
    sources = dict.fromkeys(source_of(record) or "none" for record in row.done)
    thresholds = dict.fromkeys(thresholds_text(record) for record in row.done)
    cells = (mean_and_sd_text(row, column) for column in (DUPLICATES, _ABOVE_LITTLE))
    return (label, ", ".join(sources), ", ".join(thresholds), *cells)
