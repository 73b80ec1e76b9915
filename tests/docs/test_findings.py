"""docs/findings.md: every claim that can be measured on the synthetic set, as its command measures it."""

from __future__ import annotations

import re

import pytest
from findings_page import PAGE, cells_of, renewed, tables

from vis_bench.report.papers.published import published_library

TEXT = PAGE.read_text(encoding="utf-8")
LINK = "| A | p over q | AP | +1.0 | - | not measured | - | - | why |"


def rows() -> list[list[str]]:
    return [cells_of(line) for shown in tables(TEXT) for line in shown.lines[2:]]


def test_every_claim_of_the_papers_stands_below_its_command() -> None:
    asked = [tuple(shown.command[:2]) for shown in tables(TEXT)]
    assert len(set(asked)) == len(asked)
    claimed = {
        (name, claim.table) for name, paper in published_library().papers.items() for claim in paper.claims
    }
    assert set(asked) == claimed
    texts = {claim.text for paper in published_library().papers.values() for claim in paper.claims}
    assert {row[0] for row in rows()} == texts


@pytest.mark.slow
def test_the_numbers_are_those_that_the_commands_give() -> None:
    assert renewed(TEXT) == TEXT, "python tests/docs/findings_page.py renews the tables"


def test_a_number_that_is_wrong_is_found() -> None:
    """The first measured one of the page, a tenth of a point off."""
    wrong = re.sub(r"(?<=\| [+-])(\d+\.)(\d)(?= \([+-])", lambda m: f"{m[1]}{9 - int(m[2])}", TEXT, count=1)
    assert wrong != TEXT
    shown = next(one for one in tables(wrong) if wrong[one.begin : one.end] not in TEXT)
    alone = wrong[: shown.end][wrong[: shown.begin].rindex("```console") :]
    assert renewed(alone) != alone
    assert renewed(alone) in TEXT


def test_what_contradicts_a_paper_has_an_explanation() -> None:
    explained = {row[0] for row in rows() if row[-1]}
    assert not {row[0] for row in rows() if row[5] == "contradicts"} - explained


def test_a_table_belongs_to_the_command_above_it() -> None:
    text = (
        "```console\nvis-bench reproduce a:1 --on s --records r\n```\n\nwords\n\n"
        f"| claim |\n| --- |\n{LINK}\n\nmore\n\n"
        "```console\nvis-bench reproduce b:2 --on s --records r\n```\n"
    )
    first, second = tables(text)
    assert first.command == ("a", "1", "s", "r")
    assert first.lines[-1] == LINK
    assert first.explanations() == {"A": "why"}
    assert second.lines == ()
