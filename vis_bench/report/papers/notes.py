"""Footnotes of published tables: what contradicts a printed number, and what another paper prints."""

from __future__ import annotations

import string
from collections.abc import Sequence

from vis_bench.report.papers.cells import ComparedRow
from vis_bench.report.papers.published import Conflict, Library, PublishedRow


def printed(values: dict[str, float | int | None]) -> str:
    """Numbers as a paper prints them: `AP 28.6, AP50 48.9`; a dash stays one."""
    return ", ".join(f"{name} {number(value)}" for name, value in values.items())


def number(value: float | int | None) -> str:
    """A published number with the digits that are printed."""
    return "-" if value is None else str(value)


def elsewhere(library: Library, conflict: Conflict, where: str | None = None) -> list[tuple[str, str, str]]:
    """(table, row, numbers) of the cells of a contradiction, without those of the table `where`."""
    found = []
    for cells, _, row in library.selected(conflict):
        if cells.table != where:
            values = {name: row.published[name] for name in cells.metrics_of(row)}
            found.append((cells.table, _row_name(row), printed(values)))
    return list(dict.fromkeys(found))


def _row_name(row: PublishedRow) -> str:
    return ", ".join(part for part in (row.method, row.backbone, row.dataset, row.setting) if part)


def conflict_text(library: Library, conflict: Conflict, where: str | None = None) -> str:
    """A contradiction with what the other tables print; where: the table whose cells are left out."""
    others = [
        f"{table} prints {values} ({row})" for table, row, values in elsewhere(library, conflict, where)
    ]
    text = f"{conflict.about}: {conflict.text}"
    return " ".join([text, *(["; ".join(others) + "."] if others else [])])


def marks(rows: Sequence[ComparedRow]) -> dict[str, str]:
    """The letter of each contradiction in a table, by its id, in order of appearance: a, b, ... z, aa, ab."""
    ids = dict.fromkeys(conflict.id for row in rows for conflict, _ in row.conflicts)
    letters = string.ascii_lowercase
    names = [*letters, *(first + second for first in letters for second in letters)]
    return dict(zip(ids, names, strict=False))


def cell_marks(row: ComparedRow, metric: str, letters: dict[str, str]) -> str:
    """The letters of one cell, separated by commas where they would run together."""
    found = sorted(letters[conflict.id] for conflict, metrics in row.conflicts if metric in metrics)
    return ",".join(found) if any(len(letter) > 1 for letter in found) else "".join(found)


def footnotes(library: Library, rows: Sequence[ComparedRow], where: str) -> list[tuple[str, str]]:
    """(letter, text) of every contradiction in a table."""
    letters = marks(rows)
    known = {conflict.id: conflict for conflict in library.conflicts}
    return [
        (letter, f"({id_}) {conflict_text(library, known[id_], where)}") for id_, letter in letters.items()
    ]
