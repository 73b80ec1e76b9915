"""docs/findings.md: every claim that can be measured on the synthetic set, as its command measures it."""

from __future__ import annotations

import re
from statistics import fmean

import pytest
from findings_page import COST, PAGE, cells_of, cost, renewed, tables
from measured_lines import AGAIN, STAGES, STUDY, VARIANTS, records_of, values

from vis_bench.records.columns import COLUMNS, mot_column
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


def test_what_the_study_took_is_said_once() -> None:
    assert COST.findall(TEXT) == [cost()]


@pytest.mark.slow
@pytest.mark.long
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


def test_what_explanations_say_in_numbers_is_in_the_records() -> None:
    """Means over the seeds, of the stage or of the study; thresholds of the operating points."""
    known = {"0.3"}
    for folder in (STUDY, VARIANTS):
        for method, config in {(one["method"], one["config"]) for one in records_of(folder)}:
            for name in ("AP75", "fAP", "AssA", "DetA"):
                for seeds in (None, (0, 1, 2)):
                    mean = fmean(values(folder, method, COLUMNS[name], seeds, config))
                    known.add(f"{mean:.1f}")
    known |= {f"{fmean(values(AGAIN, one['method'], COLUMNS['AP'])):.1f}" for one in records_of(AGAIN)}
    known |= {f"{fmean(values(STAGES, one['method'], COLUMNS['fAP50'])):.1f}" for one in records_of(STAGES)}
    points = [one["operating_point"]["thresholds"] for one in records_of(STUDY) if one["operating_point"]]
    known |= {f"{point:.2f}" for one in points for point in one}
    false_positives = mot_column("FP", "0.3")
    m2f, ifr = (fmean(values(STUDY, name, false_positives)) for name in ("mask2former_vis", "ifr"))
    known.add(f"{m2f / ifr:.1f}")
    said = {number for row in rows() for number in re.findall(r"\d+\.\d+", row[-1])}
    assert len(said) > 10
    assert said <= known, said - known


def test_what_contradicts_a_paper_has_an_explanation() -> None:
    explained = {row[0] for row in rows() if row[-1]}
    assert not {row[0] for row in rows() if row[5].startswith("contradicts")} - explained


def test_what_is_undecided_but_not_the_papers_has_an_explanation() -> None:
    left_out = {row[0] for row in rows() if "the interval leaves out" in row[5]}
    assert left_out
    assert not left_out - {row[0] for row in rows() if row[-1]}


def test_what_holds_at_one_threshold_alone_has_an_explanation() -> None:
    """A finding that another threshold changes is one of calibration first."""
    changed = {
        row[0]
        for row in rows()
        if "; at the operating points" in row[5]
        and row[5].partition(",")[0].partition(";")[0] != row[5].rpartition(", ")[2]
    }
    assert changed
    assert not changed - {row[0] for row in rows() if row[-1]}


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
