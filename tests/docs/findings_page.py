"""The tables of docs/findings.md, from the committed records.

`python tests/docs/findings_page.py` renews them.

A table stands below a console block with `vis-bench reproduce PAPER:TABLE --on DATASET --records FOLDER`. Its
last column is written by hand and stays with its claim; the two before it are read from the records.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from shown import ROOT

from vis_bench.records.choose import choose, read_stored
from vis_bench.records.columns import COLUMNS, DUPLICATES, Column, read_value
from vis_bench.records.rows import installed_protocols
from vis_bench.records.run import find_records, read_record
from vis_bench.report.papers.claims import MeasuredClaim, claims_table, measured_claims
from vis_bench.report.papers.published import published_library

PAGE = ROOT / "docs" / "findings.md"
COMMAND = re.compile(r"^vis-bench reproduce (\w+):(\w+) --on (\S+) --records (\S+)$", re.MULTILINE)
COST = re.compile(r"^They took .*? all seeds\.$", re.MULTILINE)
EVIDENCE = (("frame AP50", COLUMNS["fAP50"], 100.0), ("duplicates", DUPLICATES, 1.0))
EXPLANATION = "what could explain a difference"
THRESHOLD = "0.3"
"""The default of the command."""


@dataclass(frozen=True)
class Shown:
    """One table of the page. text: its command, command: the four values in it; begin, end: where it lies."""

    text: str
    command: tuple[str, ...]
    begin: int
    end: int
    lines: tuple[str, ...]

    def explanations(self) -> dict[str, str]:
        """What is written by hand, by claim."""
        rows = [cells_of(line) for line in self.lines[2:]]
        return {row[0]: row[-1] for row in rows if row[-1]}


def cells_of(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def tables(page: str) -> Iterator[Shown]:
    """Every table below a command; the next command ends the search for it."""
    found = list(COMMAND.finditer(page))
    for one, after in zip(found, [*found[1:], None], strict=True):
        stretch = page[one.end() : after.start() if after else len(page)]
        table = re.search(r"^\|.*?(?=^(?!\|)|\Z)", stretch, re.MULTILINE | re.DOTALL)
        begin = one.end() + (table.start() if table else 0)
        text = table[0] if table else ""
        yield Shown(one[0], one.groups(), begin, begin + len(text), tuple(text.splitlines()))


@cache
def claims_of(paper: str, number: str, on: str, folder: str) -> tuple[MeasuredClaim, ...]:
    """Measured once, however often a page is made."""
    published = published_library().paper(paper)
    return measured_claims(published.claims, published.table(number), ROOT / folder, on, THRESHOLD)


def table_lines(command: tuple[str, ...], explanations: dict[str, str]) -> list[str]:
    """The table as it has to stand there."""
    _, _, on, folder = command
    claims = claims_of(*command)
    header, rows = claims_table(claims)
    header = [*header, *(name for name, _, _ in EVIDENCE), EXPLANATION]
    body, before = [], ""
    for claim, row in zip(claims, rows, strict=True):
        again = claim.claim.id == before
        before = claim.claim.id
        evidence = [pair_text(claim, column, scale, ROOT / folder, on) for _, column, scale in EVIDENCE]
        body.append([*row, *evidence, "" if again else explanations.get(claim.claim.text, "")])
    return [f"| {' | '.join(row)} |" for row in (header, ["---"] * len(header), *body)]


def pair_text(one: MeasuredClaim, column: Column, scale: float, folder: Path, on: str) -> str:
    """`81.4 / 79.7`: the means of both runs over their shared seeds, or a dash."""
    if one.measured is None:
        return "-"
    names = [one.claim.run, one.claim.against]
    chosen = choose(names, read_stored([folder]), installed_protocols(), on, None, None)
    means = [
        np.mean([read_value(record, column) for record in side.row.done if record["seed"] in one.seeds])
        for side in chosen
    ]
    return " / ".join(f"{scale * float(mean):.1f}" for mean in means)


def cost() -> str:
    """What the study took: weights that several rows share, and stages, count once."""
    records = [read_record(path) for path in find_records([ROOT / "results" / "study"])]
    trained = {one.checkpoint_hash: one.timing.train_seconds or 0.0 for one in records if one.timing}
    stages = {one.image_stage.key: one.image_stage.seconds or 0.0 for one in records if one.image_stage}
    tracked = sum(one.timing.track_seconds for one in records if one.timing)
    hours = [sum(found) / 3600 for found in (trained.values(), stages.values(), [tracked])]
    return (
        f"They took {hours[0]:.1f} hours of one core for trainings, {hours[1]:.1f} for image stages and "
        f"{hours[2]:.1f} for tracking, all seeds."
    )


def renewed(page: str) -> str:
    """The page with the numbers of the records."""
    page = COST.sub(cost(), page)
    for shown in reversed(list(tables(page))):
        text = "\n".join(table_lines(shown.command, shown.explanations()))
        page = page[: shown.begin] + text + "\n" + page[shown.end :]
    return page


if __name__ == "__main__":
    PAGE.write_text(renewed(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
