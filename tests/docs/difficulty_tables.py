"""The tables of docs/findings.md about the difficulty sets, from the committed records and predictions.

`python tests/docs/difficulty_tables.py` renews them. A table stands below a console block with
`vis-bench compare A B --records results/shapes-SET --metric AssA`, and has a row for every set.
"""

from __future__ import annotations

import re
from typing import Any

from findings_page import PAGE
from shown import ROOT

from vis_bench.study.compare import compare

COMMAND = re.compile(
    r"^vis-bench compare (\w+) (\w+) --records results/shapes-\w+ --metric AssA$", re.MULTILINE
)
SETS = ("occlusion", "crossing", "alike", "long", "entering")
METRICS = ("fAP50", "AP50", "AssA")
HEADER = ("set", "frame AP50", "AP50", "AssA")


def cell(found: dict[str, Any]) -> str:
    """`+12.3 (+4.0 to +20.1) better`."""
    (one,) = found["comparisons"]
    return f"{one['mean']:+.1f} ({one['low']:+.1f} to {one['high']:+.1f}) {one['verdict']}"


def table(a: str, b: str) -> str:
    """Differences of a minus b, with interval and verdict: a row for every set, a column for every metric."""
    rows = [HEADER, ("---",) * len(HEADER)]
    for name in SETS:
        folder = ROOT / "results" / f"shapes-{name}"
        cells = [cell(compare([a, b], records=folder, metric=metric)) for metric in METRICS]
        rows.append((f"`shapes-{name}`", *cells))
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def renewed(page: str) -> str:
    """The page with the tables of the records."""
    for found in reversed(list(COMMAND.finditer(page))):
        begin = re.compile(r"^\|", re.MULTILINE).search(page, found.end())
        if begin is None:
            raise ValueError(f"no table below {found[0]}")
        end = re.compile(r"^(?!\|)", re.MULTILINE).search(page, begin.start())
        stop = end.start() if end else len(page)
        page = page[: begin.start()] + table(found[1], found[2]) + page[stop:]
    return page


if __name__ == "__main__":
    PAGE.write_text(renewed(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
