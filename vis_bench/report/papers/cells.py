"""Published numbers beside measured ones: which record stands for a row, and what its number says.

A measured number comes from records only. It is compared where data set, split, training data and backbone
are those of the paper; everywhere else it is shown with the reasons why it is not comparable.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from vis_bench.records.columns import COLUMNS, MOT_NAMES, VIDEO_AP_NAMES, Column, mot_column
from vis_bench.records.rows import DONE, Block, Row
from vis_bench.report.papers.published import (
    Conflict,
    Library,
    PublishedPaper,
    PublishedRow,
    PublishedTable,
    Terms,
)
from vis_bench.report.papers.runs import PAPER, WantedRun, parse_run, reasons_against, set_by_hand

CellStatus = Literal["reproduced", "differs", "not comparable", "not measured", "not printed"]

# points of a percentage; of other numbers, percent of what is published
TOLERANCE = 1.5
NO_METHOD = "not among the methods of vis-bench"
_PARAMETERS = Column("params_m", ("parameters", "total"), "count", "the model")


@dataclass(frozen=True, slots=True)
class Source:
    """The records behind a measured row; reasons: why they are not comparable, empty where they are."""

    block: Block
    row: Row
    reasons: tuple[str, ...]

    @property
    def name(self) -> str:
        """`METHOD@CONFIG`."""
        return f"{self.row.method}@{self.row.config}"


@dataclass(frozen=True, slots=True)
class ComparedCell:
    """One metric of a row, in the unit of the paper.

    sd: over seeds. difference: measured minus published. interval_only: half the 95 % interval over seeds,
    where the difference is within it and above the tolerance.
    """

    metric: str
    published: float | int | None
    std: float | None
    measured: float | None
    sd: float | None
    status: CellStatus
    difference: float | None = None
    interval_only: float | None = None


@dataclass(frozen=True, slots=True)
class ComparedRow:
    """A row with its cells; why: reasons of its status where it is not compared."""

    row: PublishedRow
    dataset: str
    cells: tuple[ComparedCell, ...]
    source: Source | None
    status: CellStatus
    why: tuple[str, ...]
    conflicts: tuple[tuple[Conflict, tuple[str, ...]], ...]


def measuring_methods(table: PublishedTable) -> frozenset[str]:
    """Methods that have a row in a table."""
    return frozenset(parse_run(text).method for row in table.rows for text in row.runs)


def compare(
    library: Library,
    paper: PublishedPaper,
    table: PublishedTable,
    blocks: Sequence[Block],
    on: str | None = None,
    threshold: str = "0.3",
) -> tuple[ComparedRow, ...]:
    """All rows of a table with what was measured.

    on: only records of this data set; None takes for each row the records that come closest to the paper.
    threshold: score that a track needs in the tracking metrics, one of those in records.
    """
    wanted = [block for block in blocks if on is None or block.dataset == on]
    where = f"{paper.paper}:{table.table}"
    return tuple(
        _compare_row(library, table, row, wanted, threshold, _conflicts(library, where, table, row))
        for row in table.rows
    )


def _conflicts(
    library: Library, where: str, table: PublishedTable, row: PublishedRow
) -> tuple[tuple[Conflict, tuple[str, ...]], ...]:
    found = []
    for conflict in library.conflicts:
        named = {
            metric
            for cells in conflict.cells
            if cells.table == where and cells.holds(table, row)
            for metric in cells.metrics_of(row)
        }
        if named:
            found.append((conflict, tuple(metric for metric in row.published if metric in named)))
    return tuple(found)


def _compare_row(
    library: Library,
    table: PublishedTable,
    row: PublishedRow,
    blocks: Sequence[Block],
    threshold: str,
    conflicts: tuple[tuple[Conflict, tuple[str, ...]], ...],
) -> ComparedRow:
    source = _closest(library.terms, table, row, blocks)
    cells = tuple(_cell(row, metric, source, threshold) for metric in row.published)
    statuses = [cell.status for cell in cells]
    order: tuple[CellStatus, ...] = ("not comparable", "differs", "reproduced")
    status: CellStatus = next((name for name in order if name in statuses), "not measured")
    if all(cell.published is None for cell in cells) and source is not None:
        status = "not comparable"
    why: tuple[str, ...] = ()
    if status == "not measured":
        why = (_why_not_measured(library.terms, table, row, blocks, source),)
    elif status == "not comparable" and source is not None:
        why = source.reasons or ("the paper prints no number",)
    return ComparedRow(row, table.dataset_of(row), cells, source, status, why, conflicts)


def _why_not_measured(
    terms: Terms, table: PublishedTable, row: PublishedRow, blocks: Sequence[Block], source: Source | None
) -> str:
    if not row.runs:
        return row.no_run or NO_METHOD
    if source is not None:
        return "the records hold none of these metrics"
    unscored = [
        candidate
        for candidate in _candidates(terms, table, row, blocks, done=False)
        if "not scored" in candidate.row.status
    ]
    if unscored:
        block = unscored[0].block
        return f"{unscored[0].name} ran on {block.dataset} {block.split}, whose truth is hidden"
    return f"no record of {row.runs[0]}"


def _closest(
    terms: Terms, table: PublishedTable, row: PublishedRow, blocks: Sequence[Block]
) -> Source | None:
    return next(iter(_candidates(terms, table, row, blocks, done=True)), None)


def _candidates(
    terms: Terms, table: PublishedTable, row: PublishedRow, blocks: Sequence[Block], done: bool
) -> list[Source]:
    """Records of the row's runs, those that come closest to the paper first."""
    found: list[tuple[tuple[Any, ...], Source]] = []
    for position, text in enumerate(row.runs):
        run = parse_run(text)
        for block in blocks:
            for measured in block.rows:
                if (measured.status == DONE) == done and _is_run(table, run, row, measured):
                    reasons = tuple(reasons_against(terms, table, row, run, block, measured))
                    rank = _rank(terms, table, row, run, block, measured, bool(reasons))
                    found.append(((*rank, position, len(reasons)), Source(block, measured, reasons)))
    return [source for _, source in sorted(found, key=lambda pair: pair[0])]


def _is_run(table: PublishedTable, run: WantedRun, row: PublishedRow, measured: Row) -> bool:
    if measured.method != run.method or measured.config.partition("+")[2] != run.variant:
        return False
    if any(_plain(measured.overrides.get(key)) != _plain(value) for key, value in run.values):
        return False
    # a value that tells rows of this table apart makes the record one of another row
    telling = {key for other in table.rows for text in other.runs for key, _ in parse_run(text).values}
    if telling & (set(measured.overrides) - {key for key, _ in run.values}):
        return False
    return (measured.records[0].get("extra_data") is not None) == row.extra_data


def _rank(
    terms: Terms,
    table: PublishedTable,
    row: PublishedRow,
    run: WantedRun,
    block: Block,
    measured: Row,
    not_comparable: bool,
) -> tuple[Any, ...]:
    known = terms.datasets.get(table.dataset_of(row))
    elsewhere = known is None or block.dataset != known.name
    return (
        elsewhere,
        block.dataset if elsewhere else "",
        block.split not in table.same_splits,
        # before the number of seeds: what may be compared is never hidden by what may not
        not_comparable,
        bool(set_by_hand(run, measured)),
        measured.config.partition("+")[0] not in (run.config or PAPER, block.default_config),
        -block.videos,
        -len(measured.done_seeds),
        block.protocol,
    )


def _plain(value: Any) -> Any:
    """A value set by hand in one form, whatever way it was written: lists of numbers as rounded tuples."""
    if isinstance(value, list | tuple):
        return tuple(_plain(part) for part in value)
    text = str(value).strip("()[] ")
    if "," in text:
        return tuple(_plain(part) for part in text.split(",") if part.strip())
    try:
        return round(float(text), 3)
    except ValueError:
        return text


def _column(metric: str, threshold: str) -> tuple[Column, float] | None:
    """Where a published metric is in a record, and the factor to the paper's unit."""
    if metric in VIDEO_AP_NAMES:
        return COLUMNS[metric], 100.0
    if metric in MOT_NAMES:
        column = mot_column(metric, threshold)
        return column, 100.0 if column.unit == "fraction" else 1.0
    return (_PARAMETERS, 1e-6) if metric == _PARAMETERS.name else None


def _cell(row: PublishedRow, metric: str, source: Source | None, threshold: str) -> ComparedCell:
    published, std = row.published[metric], row.std.get(metric)
    found = _column(metric, threshold)
    if source is None or found is None:
        status: CellStatus = "not printed" if published is None else "not measured"
        return ComparedCell(metric, published, std, None, None, status)
    column, factor = found
    cell = source.row.cell(column)
    mean = None if cell.mean is None else cell.mean * factor
    sd = None if cell.sd is None else cell.sd * factor
    difference, interval_only = None, None
    if published is None:
        status = "not printed"
    elif mean is None:
        status = "not measured"
    elif source.reasons:
        status = "not comparable"
    else:
        difference = mean - published
        least = TOLERANCE if factor == 100.0 else TOLERANCE / 100 * abs(published)
        half = (cell.half_interval or 0.0) * factor
        status = "reproduced" if abs(difference) <= max(least, half) + 1e-9 else "differs"
        if status == "reproduced" and abs(difference) > least + 1e-9:
            interval_only = half
    return ComparedCell(metric, published, std, mean, sd, status, difference, interval_only)
