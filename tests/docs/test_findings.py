"""docs/findings.md: every claim that can be measured on the synthetic set, as its command measures it."""

from __future__ import annotations

import re
from statistics import fmean

import pytest
from findings_page import COST, PAGE, THRESHOLD, cells_of, cost, renewed, tables
from measured_lines import AGAIN, STAGES, STUDY, VARIANTS, records_of, values

from vis_bench.records.columns import COLUMNS, Column, mot_column
from vis_bench.report.papers.published import published_library

TEXT = PAGE.read_text(encoding="utf-8")
DUPLICATES_SAID = re.compile(r"(\d+\.\d) times the duplicates")
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


@pytest.mark.shown
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


def mean(folder: str, row: str, column: str | Column, seeds: tuple[int, ...] | None = None) -> str:
    """Of `METHOD` or `METHOD@VARIANT` over the seeds, as a table prints it."""
    method, _, variant = row.partition("@")
    column = COLUMNS[column] if isinstance(column, str) else column
    return f"{fmean(values(folder, method, column, seeds, f'tiny+{variant}' if variant else 'tiny')):.1f}"


def operating_points(method: str) -> list[str]:
    """The lowest and the highest of the seeds."""
    records = (one for one in records_of(STUDY) if (one["method"], one["config"]) == (method, "tiny"))
    points = [point for one in records for point in one["operating_point"]["thresholds"]]
    return [f"{min(points):.2f}", f"{max(points):.2f}"]


def said_in_explanations() -> dict[str, list[str]]:
    """Claim: the numbers of its explanation, in their order."""
    three, false_positives = (0, 1, 2), mot_column("FP", THRESHOLD)
    m2f, ifr = (fmean(values(STUDY, name, false_positives)) for name in ("mask2former_vis", "ifr"))
    return {
        "Propagating the query alone beats propagating nothing.": [
            mean(VARIANTS, row, name) for name in ("AssA", "DetA") for row in ("inspro@D", "inspro@A")
        ],
        "InsPro beats MaskTrack R-CNN.": [mean(STAGES, row, "fAP50") for row in ("inspro", "masktrack_rcnn")],
        "All parts together beat the baseline.": [
            mean(folder, row, name, three)
            for name in ("AssA", "DetA")
            for folder, row in ((STUDY, "stc"), (VARIANTS, "stc@baseline"))
        ],
        "STC beats MaskTrack R-CNN.": [
            mean(STUDY, row, name) for name in ("AP75", "fAP") for row in ("stc", "masktrack_rcnn")
        ],
        "Inter-frame recurrent attention keeps identities better than Mask2Former.": [
            *operating_points("mask2former_vis"),
            *operating_points("ifr"),
            THRESHOLD,
            f"{m2f / ifr:.1f}",
        ],
        "With ResNet-50, IFR has the AP of Mask2Former.": [
            mean(AGAIN, row, "AP") for row in ("ifr", "mask2former_vis")
        ],
        "QueryTrack beats MaskTrack R-CNN.": [
            mean(STAGES, row, "fAP50") for row in ("querytrack", "masktrack_rcnn")
        ],
    }


def test_what_explanations_say_in_numbers_is_in_the_records() -> None:
    texts = {row[0]: DUPLICATES_SAID.sub("", row[-1]) for row in rows() if row[-1]}
    said = {claim: re.findall(r"\d+\.\d+", text) for claim, text in texts.items()}
    assert {claim: numbers for claim, numbers in said.items() if numbers} == said_in_explanations()


def test_what_explanations_say_of_duplicates_is_in_their_row() -> None:
    told = [(row, match[1]) for row in rows() if (match := DUPLICATES_SAID.search(row[-1]))]
    assert len(told) >= 4
    for row, times in told:
        first, second = (float(text) for text in row[7].split(" / "))
        assert times == f"{max(first, second) / min(first, second):.1f}", row[0]


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
