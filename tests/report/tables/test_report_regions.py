"""Masks and boxes never share a table: terminal, Markdown and CSV keep them in two blocks."""

from __future__ import annotations

from pathlib import Path

import pandas
from record_samples import make_record

from vis_bench.report.formats.markdown import write_report
from vis_bench.report.terminal.comparison_table import comparison_table

RECORDS = [
    make_record("boxer", 0.9, iou_type="bbox"),
    make_record("masker", 0.1),
    make_record("broken", iou_type="bbox", status="failed", error="boom"),
]


def test_the_terminal_shows_two_tables_with_their_region_in_the_heading() -> None:
    table = comparison_table(RECORDS, protocols={})
    headings = [line for line in table.splitlines() if line.startswith("shapes test, 60 videos")]
    assert [line.split(", ")[2] for line in headings] == ["masks", "boxes"]
    of_masks, of_boxes = table.split(headings[1])
    assert "masker" in of_masks
    assert "boxer" not in of_masks
    assert "broken" not in of_masks
    assert "masker" not in of_boxes
    assert of_boxes.index("boxer") < of_boxes.index("broken")


def test_markdown_has_a_section_each_and_says_which_boxes_the_tracking_metrics_use(tmp_path: Path) -> None:
    text = write_report(tmp_path, RECORDS, {}, protocols={}).read_text()
    sections = [part for part in text.split("\n## ") if part.startswith("shapes test, 60 videos")]
    of_masks, of_boxes = sections
    assert of_masks.startswith("shapes test, 60 videos, masks")
    assert of_boxes.startswith("shapes test, 60 videos, boxes")
    assert "masker" in of_masks
    assert "boxer" not in of_masks
    assert "boxer" in of_boxes
    assert "masker" not in of_boxes
    assert "Boxes around the masks, matched" in of_masks
    assert "Predicted boxes, matched" in of_boxes


def test_csv_lines_carry_their_region(tmp_path: Path) -> None:
    write_report(tmp_path, RECORDS, {}, protocols={})
    table = pandas.read_csv(tmp_path / "table.csv")
    assert dict(zip(table.method, table.iou_type, strict=True)) == {
        "masker": "segm",
        "boxer": "bbox",
        "broken": "bbox",
    }
