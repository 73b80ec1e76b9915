"""Claims of papers about pairs of rows: what is published, what stored runs say, and the finding."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import pytest

from vis_bench.errors import DataError
from vis_bench.report.papers import claims
from vis_bench.report.papers.claims import MeasuredClaim, claim_lines, claims_json, published_difference
from vis_bench.report.papers.published import PublishedClaim, published_library, read_library
from vis_bench.study.comparison import Comparison
from vis_bench.study.intervals import Difference

ROOT = Path(__file__).parents[3]
LIBRARY = published_library()
CLAIMS = [(paper, claim) for paper in LIBRARY.papers.values() for claim in paper.claims]


def compared(verdict: str, low: float, high: float) -> Comparison:
    mean = (low + high) / 2
    difference = Difference((mean,) * 2, mean, low, high, 0.5, 1.0, 1.0, 2.0, 60)
    return Comparison("a", "b", difference, 0.5, verdict, 1.0, 5, 0.5, 1, 1, 1, False)  # type: ignore[arg-type]


def measured(expect: str, verdict: str, seeds: tuple[int, ...] = (0, 1)) -> MeasuredClaim:
    claim = PublishedClaim("x", "2a", "B beats A.", "b", "a", ("AP",), expect)  # type: ignore[arg-type]
    return MeasuredClaim(claim, "AP", 12.3, compared(verdict, 1.0, 6.2), seeds)


@pytest.mark.parametrize(
    ("expect", "verdict", "finding"),
    [
        ("higher", "better", "agrees"),
        ("higher", "worse", "contradicts"),
        ("higher", "equivalent", "contradicts"),
        ("higher", "undecided", "undecided"),
        ("similar", "equivalent", "agrees"),
        ("similar", "better", "contradicts"),
        ("similar", "worse", "contradicts"),
        ("similar", "undecided", "undecided"),
    ],
)
def test_the_finding_follows_from_what_is_claimed_and_from_the_verdict(
    expect: str, verdict: str, finding: str
) -> None:
    assert measured(expect, verdict).finding == finding


def test_one_seed_decides_nothing_and_no_run_is_not_measured() -> None:
    assert measured("higher", "better", seeds=(0,)).finding == "undecided"
    nothing = dataclasses.replace(
        measured("higher", "better"), measured=None, seeds=(), why="No records of 'b'."
    )
    assert nothing.finding == "not measured"
    assert claims_json([nothing])[0]["difference"] is None
    assert "No records of 'b'." in "\n".join(claim_lines([nothing], "shapes"))


def test_published_differences_are_those_of_the_printed_rows() -> None:
    paper = LIBRARY.paper("inspro")
    table = paper.table("2a")
    claim = next(one for one in paper.claims if one.id == "inspro-propagation")
    assert published_difference(claim, "AP", table) == 12.3  # 36.3 and 24.0 in Table 2(a)
    assert published_difference(claim, "AP50", table) == 15.0  # 56.3 and 41.3
    figure = LIBRARY.paper("ifr")
    drawn = next(one for one in figure.claims if one.table == "figure4")
    assert published_difference(drawn, "AP", figure.table("figure4")) is None


def test_a_claimed_difference_is_printed_that_way_and_ids_are_unique() -> None:
    ids = [claim.id for _, claim in CLAIMS]
    assert len(ids) == len(set(ids))
    for paper, claim in CLAIMS:
        for metric in claim.metrics:
            printed = published_difference(claim, metric, paper.table(claim.table))
            if claim.expect == "higher" and printed is not None:
                assert printed > 0, claim.id


def test_a_claim_about_a_row_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    for entry in (ROOT / "protocols" / "papers").glob("*.json"):
        text = entry.read_text(encoding="utf-8")
        if entry.name == "stc.json":
            data = json.loads(text)
            data["claims"][0]["run"] = "stc@nothing"
            text = json.dumps(data)
        (tmp_path / entry.name).write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match="stc@nothing makes no row of stc:4"):
        read_library(tmp_path)


def test_lines_fit_a_terminal_and_hold_paper_measured_and_finding() -> None:
    lines = claim_lines([measured("higher", "better")], "shapes")
    assert all(len(line) <= 80 for line in lines)
    assert "  AP: paper +12.3, here +3.6 (+1.0 to +6.2, 2 seeds): agrees" in lines
    assert claims.claim_lines([], "shapes") == []


def test_an_undecided_finding_says_whether_it_holds_the_papers() -> None:
    """+12.3 lies outside +1.0 to +6.2, +3.0 within."""
    undecided = measured("higher", "undecided")
    assert claims.finding_text(undecided) == "undecided, the interval leaves out the paper's"
    near = dataclasses.replace(undecided, published=3.0)
    assert claims.finding_text(near) == "undecided, the interval holds the paper's"
    assert claims.finding_text(dataclasses.replace(undecided, published=None)) == "undecided"
    assert claims.finding_text(measured("higher", "better")) == "agrees"


def test_a_metric_above_one_threshold_is_told_at_the_operating_points_too() -> None:
    one = dataclasses.replace(measured("higher", "better"), at_point=compared("undecided", -2.0, 5.0))
    assert claims.finding_text(one) == "agrees; at the operating points +1.5 (-2.0 to +5.0), undecided"
    (found,) = claims_json([one])
    assert found["at_operating_point"] == {
        "difference": 1.5, "low": -2.0, "high": 5.0, "finding": "undecided",
    }  # fmt: skip
    assert claims_json([measured("higher", "better")])[0]["at_operating_point"] is None
    assert all(len(line) <= 80 for line in claim_lines([one], "shapes"))


@pytest.mark.slow
def test_reproduce_measures_a_claim_from_committed_records() -> None:
    command = ["reproduce", "ifr:3", "--on", "shapes", "--records", "results/shapes-quick", "--json"]
    done = subprocess.run(
        [sys.executable, "-m", "vis_bench", *command], cwd=ROOT, check=True, capture_output=True, text=True
    )
    found = {one["metric"]: one for one in json.loads(done.stdout)["claims"]}
    assert sorted(found) == ["IDF1", "MOTA"]
    assert found["MOTA"]["seeds"] == [0, 1, 2]
    assert found["MOTA"]["low"] < found["MOTA"]["difference"] < found["MOTA"]["high"]
    assert found["IDF1"]["published"] == 9.8
    at_point = found["IDF1"]["at_operating_point"]
    assert at_point["low"] < at_point["difference"] < at_point["high"]
    # one threshold for both is another question
    assert at_point["difference"] != found["IDF1"]["difference"]
