"""A published table as text, Markdown, LaTeX and JSON."""

from __future__ import annotations

import re
import shlex
from typing import Any

import pytest
from record_samples import make_record

from vis_bench.records.rows import build_blocks
from vis_bench.report.papers.cells import compare
from vis_bench.report.papers.commands import run_commands
from vis_bench.report.papers.figure import published_figure
from vis_bench.report.papers.markup import as_latex, as_markdown, latex_escape
from vis_bench.report.papers.published import published_library
from vis_bench.report.papers.table import Comparison, as_json, as_text
from vis_bench.report.tables.text import display_width

ALL = [
    f"{name}:{table.table}" for name, paper in published_library().papers.items() for table in paper.tables
]


def comparison(where: str, *records: dict[str, Any], on: str | None = None) -> Comparison:
    library = published_library()
    name, _, number = where.partition(":")
    paper = library.paper(name)
    table = paper.table(number)
    rows = compare(library, paper, table, build_blocks(records), on)
    commands = run_commands(library.terms, paper, table, rows, on, "runs")
    return Comparison(library, paper, table, rows, tuple(commands))


def every_method(seeds: int = 3) -> list[dict[str, Any]]:
    """Records on shapes, several seeds of each method that a table may name."""
    names = ("ifr", "inspro", "inspro_lite", "inspro_tbd", "mask2former_vis", "querytrack", "stc")
    return [make_record(name, 0.3 + seed / 20, seed) for name in names for seed in range(seeds)]


@pytest.mark.parametrize("where", ALL)
def test_text_fits_a_terminal_and_shows_every_row(where: str) -> None:
    shown = comparison(where, *every_method())
    text = as_text(shown)
    assert max(map(display_width, text.splitlines())) <= 80
    grid = text.partition("---\n")[2].partition("\n\n")[0]
    assert grid.count("\n  published") == len(shown.rows)
    assert grid.count("measured") >= len(shown.rows)


def test_published_and_measured_stand_side_by_side() -> None:
    text = as_text(comparison("inspro:2a", *[make_record("inspro", 0.3, 0, config="tiny+A")]))
    assert text.splitlines()[5:11] == [
        "                      AP  AP50  AP75",
        "------------------------------------",
        "A: no propagation, slices linked by index, no query, no proposal, no TCM",
        "  published         24.0  41.3  24.2",
        "  measured, 1 seed  30.0  30.0  30.0",
        "  inspro@tiny+A: not comparable: measured on shapes test; backbone unknown, not",
    ]


def test_a_footnote_says_what_the_other_papers_print() -> None:
    text = " ".join(as_text(comparison("stc:2")).split())
    assert re.search(r"MaskTrack R-CNN published 31\.7b 52\.5b 34\.0b 30\.8b 37\.8b", text)
    assert "b (A1) MaskTrack R-CNN on YouTube-VIS-2021" in text
    assert "querytrack:1 prints AP 28.6, AP50 48.9, AP75 29.6 (MaskTrack R-CNN, ResNet-50)" in text
    assert "inspro:1 prints AP 28.6, AP50 48.9, AP75 29.6, AR1 26.5, AR10 33.8" in text
    # the table's own cells are not repeated
    assert "stc:2 prints" not in text


def test_bounds_of_speed_and_printed_spreads_are_shown_as_printed() -> None:
    assert re.search(r"published +40\.0\w* +-\w* +42\.9\w* +- +- +<6\.2\w", as_text(comparison("stc:1")))
    assert re.search(r"published +46\.5a .*\n +printed ± +0\.8\n", as_text(comparison("ifr:1")))


def test_differences_of_the_protocol_and_commands_are_listed() -> None:
    text = as_text(comparison("ifr:3", on="shapes"))
    assert "- The score from which tracks count in Table 3 is not given" in text
    assert text.rstrip().endswith(
        "  vis-bench run --methods mask2former_vis,ifr --dataset shapes --seeds 5 --out \\\n      runs"
    )


@pytest.mark.parametrize("where", ["ifr:1", "inspro:6c"])
def test_a_shell_reads_the_wrapped_command_as_the_command(where: str) -> None:
    shown = comparison(where)
    typed = as_text(shown).partition("Commands that measure:\n")[2].replace("\\\n", "")
    assert [shlex.split(line) for line in typed.splitlines()] == [shlex.split(one) for one in shown.commands]


def test_figure_4_shows_mean_spread_and_every_seed_against_lambda() -> None:
    aps = {"tiny+lambda-e-0": (0.2, 0.3), "tiny+lambda-e-1": (0.4, 0.5)}
    records = [
        make_record("ifr", ap, k, config=name) for name, found in aps.items() for k, ap in enumerate(found)
    ]
    figure = published_figure(comparison("ifr:figure4", *records, on="shapes"))
    assert [axes.get_title() for axes in figure.axes] == ["AP", "AP50", "AP75", "AR1", "AR10"]
    first = figure.axes[0]
    assert first.get_xlabel() == "lambda_e"
    dots = {tuple(line.get_xdata()): line.get_ydata() for line in first.lines if line.get_marker() == "o"}
    assert {x: list(y) for x, y in dots.items()} == {
        (0.0, 0.0): pytest.approx([20, 30]),
        (1.0, 1.0): pytest.approx([40, 50]),
    }
    means = next(line for line in first.lines if list(line.get_xdata()) == [0.0, 1.0])
    assert list(means.get_ydata()) == pytest.approx([25, 45])
    # sd of 20 and 30 is sqrt(50) = 7.07
    bar = first.collections[0].get_segments()[0]
    assert bar[:, 1] == pytest.approx([25 - 50**0.5, 25 + 50**0.5])


def test_markdown_has_a_row_per_row_and_no_bare_underscore() -> None:
    text = as_markdown(comparison("stc:2", make_record("stc", 0.351)))
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert len(rows) == 2 + 5
    assert rows[-1].startswith("| Ours (STC) | 35.5<sup>cd</sup> / 35.1 | 57.4 / 35.1 |")
    assert "masktrack\\_rcnn" in text


def test_latex_uses_booktabs_and_escapes() -> None:
    text = as_latex(comparison("inspro:2d", make_record("inspro_tbd", 0.3)))
    for rule in ("\\toprule", "\\midrule", "\\bottomrule"):
        assert text.count(rule) == 1
    assert "params\\_m" in text
    assert "Tracking-by-detection & 31.5 / 30.0 &" in text
    header = next(line for line in text.splitlines() if line.startswith("Method"))
    body = [line for line in text.splitlines() if line.endswith(r"\\")]
    assert {line.count(" & ") for line in body} == {header.count(" & ")} == {7}
    assert latex_escape("50% & a_b <1 ±") == r"50\% \& a\_b \ensuremath{<}1 \ensuremath{\pm}"
    assert latex_escape("\\") == r"\textbackslash{}"


def test_json_is_the_contract() -> None:
    found = as_json(comparison("stc:2", *every_method()))
    assert (found["paper"], found["table"]) == ("stc", "2")
    swapped, ours = found["rows"][1], found["rows"][4]
    assert swapped["method"] == "MaskTrack R-CNN"
    assert swapped["published"] == {"AP": 31.7, "AP50": 52.5, "AP75": 34.0, "AR1": 30.8, "AR10": 37.8}
    assert swapped["measured"] is None
    assert swapped["status"] == "not measured"
    assert [conflict["id"] for conflict in swapped["conflicts"]] == ["A1"]
    assert ours["measured"]["AP"] == pytest.approx(35.0)
    assert ours["status"] == "not comparable"
    assert ours["records"]["seeds"] == [0, 1, 2]
    assert set(ours) >= {"method", "backbone", "dataset", "setting", "published", "measured", "conflicts"}


def test_json_has_null_for_a_printed_dash_and_a_setting_for_repeated_rows() -> None:
    found = as_json(comparison("inspro:1"))
    pcan = next(row for row in found["rows"] if row["method"] == "PCAN")
    assert pcan["published"]["FPS"] is None
    ours = [row["setting"] for row in found["rows"] if row["method"] == "InsPro"]
    assert ours == ["YouTube-VIS only"] * 2 + ["with COCO images"] * 2
