"""Measured speed beside published speed: ratios inside a table of a paper, and the order of methods.

Frames per second of two machines are not comparable; ratios between rows of one machine, and their order, are
closer to it. A row stands for a record where the data of the paper names its method and variant.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

from vis_bench.records.speed import SpeedRecord
from vis_bench.report.formats.pipe_table import escape, pipe_table
from vis_bench.report.papers.published import Library, PublishedTable
from vis_bench.report.papers.runs import parse_run
from vis_bench.report.speed.table import SIZE_COLUMNS, SPEED_COLUMNS, block_heading, blocks

Quantity = Literal["FPS", "GMACs"]
# the papers' metric behind each measured column
_PUBLISHED: dict[Quantity, str] = {"FPS": "FPS", "GMACs": "flops_g"}
_READ = {column.name: column.read for column in (*SPEED_COLUMNS, *SIZE_COLUMNS)}


@dataclass(frozen=True, slots=True)
class SpeedPair:
    """One row of a paper and the record that stands for it; both values in the unit of `Quantity`."""

    label: str
    record: SpeedRecord
    published: float
    measured: float


@dataclass(frozen=True, slots=True)
class SpeedComparison:
    """Rows that share a table of a paper (or all papers) and a block of records."""

    about: str
    quantity: Quantity
    pairs: tuple[SpeedPair, ...]

    def same_order(self) -> tuple[int, int]:
        """(pairs of rows in the same order, pairs that are not tied in the papers)."""
        untied = [(a, b) for a, b in combinations(self.pairs, 2) if a.published != b.published]
        same = sum((a.published - b.published) * (a.measured - b.measured) > 0 for a, b in untied)
        return same, len(untied)


def compare_speed(block: Sequence[SpeedRecord], library: Library) -> list[SpeedComparison]:
    """Tables of papers of which the block holds two rows or more, then all methods in one.

    block: of `blocks`, so that its numbers are comparable; each base configuration is compared on its own.
    """
    bases = dict.fromkeys(record.config.partition("+")[0] for record in block)
    return [
        comparison
        for base in bases
        for comparison in _compare([r for r in block if r.config.partition("+")[0] == base], library)
    ]


def _compare(block: Sequence[SpeedRecord], library: Library) -> list[SpeedComparison]:
    found = []
    for paper in library.papers.values():
        for table in paper.tables:
            for quantity in _PUBLISHED:
                pairs = _pairs(block, table, quantity)
                if len({pair.published for pair in pairs}) > 1:
                    about = f"{paper.title.partition(':')[0]}, Table {table.table}"
                    found.append(SpeedComparison(about, quantity, pairs))
    for quantity in _PUBLISHED:
        methods = _all_methods(block, library, quantity)
        if len({pair.published for pair in methods}) > 1:
            found.append(SpeedComparison("all methods", quantity, methods))
    return found


def _pairs(block: Sequence[SpeedRecord], table: PublishedTable, quantity: Quantity) -> tuple[SpeedPair, ...]:
    """Rows of one table with the first record that stands for each; a record stands for one row at most."""
    pairs: list[SpeedPair] = []
    for row in table.rows:
        published = row.published.get(_PUBLISHED[quantity])
        for name in row.runs if published is not None else ():
            record = _standing(block, name)
            measured = _READ[quantity](record) if record is not None else None
            if record is None or measured is None or any(pair.record is record for pair in pairs):
                continue
            label = f"{row.method} {row.setting}" if row.setting else row.method
            pairs.append(SpeedPair(label, record, float(published or 0), measured))
            break
    return tuple(pairs)


def _all_methods(block: Sequence[SpeedRecord], library: Library, quantity: Quantity) -> tuple[SpeedPair, ...]:
    """Every method without a variant, the first published value of each; largest published first."""
    pairs: dict[str, SpeedPair] = {}
    for paper in library.papers.values():
        for table in paper.tables:
            for pair in _pairs(block, table, quantity):
                if "+" not in pair.record.config:
                    shown = f"{pair.record.variant()} ({paper.paper}:{table.table})"
                    pairs.setdefault(
                        pair.record.variant(), SpeedPair(shown, pair.record, pair.published, pair.measured)
                    )
    return tuple(sorted(pairs.values(), key=lambda pair: -pair.published))


def _standing(block: Sequence[SpeedRecord], name: str) -> SpeedRecord | None:
    run = parse_run(name)
    if run.values:
        return None
    return next(
        (
            record
            for record in block
            if record.status == "done"
            and record.method == run.method
            and record.config.partition("+")[2] == run.variant
        ),
        None,
    )


def published_markdown(records: Sequence[SpeedRecord], library: Library) -> str:
    """A section per block of records that has something to compare; empty where none has."""
    parts = []
    for block in blocks(records):
        found = compare_speed(block, library)
        if found:
            parts += [f"## Beside the papers: {escape(block_heading(block))}", "", _EXPLANATION, ""]
        for comparison in found:
            same, untied = comparison.same_order()
            first = comparison.pairs[0]
            unit = comparison.quantity
            rows = [
                [
                    escape(pair.label), escape(pair.record.variant()), f"{pair.published:g}",
                    f"{pair.published / first.published:.2f}", f"{pair.measured:.2f}",
                    f"{pair.measured / first.measured:.2f}",
                ]
                for pair in comparison.pairs
            ]  # fmt: skip
            ratio = "x first row"
            head = ["row", "measured with", f"published {unit}", ratio, f"measured {unit}", ratio]
            order = f"In the order of the paper: {same} of {untied} pairs of rows."
            title = f"{escape(comparison.about)}, {unit}:"
            parts += [title, "", pipe_table(head, rows, text_columns=2), "", order, ""]
    return "\n".join(parts)


_EXPLANATION = (
    "The papers' frames per second are of other machines and other sizes of frames, and of ResNet-50; ratios "
    "and order are what may be compared, and of `tiny` configurations not even these say much: their "
    "backbones and query counts are other ones."
)


def published_lines(records: Sequence[SpeedRecord], library: Library) -> list[str]:
    """One line per comparison for the terminal, everything relative to the first row."""
    lines = []
    for block in blocks(records):
        for comparison in compare_speed(block, library):
            first = comparison.pairs[0]
            same, untied = comparison.same_order()
            shown = "; ".join(
                f"{pair.record.variant()} {pair.published / first.published:.2f} (here "
                f"{pair.measured / first.measured:.2f})"
                for pair in comparison.pairs
            )
            lines.append(
                f"{block[0].protocol.scenario}, {comparison.quantity} relative to the first of "
                f"{comparison.about}, published: {shown}. Same order: {same} of {untied} pairs."
            )
    return lines
