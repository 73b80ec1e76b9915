"""The terminal table."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from record_samples import make_record

from vis_bench.records.columns import COLUMNS
from vis_bench.records.rows import installed_protocols
from vis_bench.report.tables.cell_text import format_value
from vis_bench.report.tables.text import display_width
from vis_bench.report.terminal.comparison_table import TERMINAL_WIDTH, comparison_table

NASTY = (
    "a_method_with_a_name_that_is_far_longer_than_any_column_could_be",
    "\x1b[31mred\nline|pipe*star*",
    "视频实例分割方法视频实例分割方法",
    "",
)


def _lines(table: str) -> list[list[str]]:
    return [line.split() for line in table.splitlines()]


def test_values_of_two_seeds_worked_out_by_hand() -> None:
    records = [make_record("stc", 0.32, seed=0, switches=4), make_record("stc", 0.36, seed=1, switches=7)]
    lines = _lines(comparison_table(records, protocols={}))
    header = lines.index(["method", "AP", "AP50", "AP75", "AR10", "HOTA", "IDF1", "MOTA", "recall", "IDs"])
    # AP: mean 34.0, sd 100 * sqrt(0.0008) = 2.83; IDs: mean 5.5, sd sqrt(4.5) = 2.12
    assert lines[header + 2] == ["stc", "34.0", "34.0", "34.0", "34.0", "37.5", "62.5", "62.5", "62.5", "5.5"]
    assert lines[header + 3][4:] == ["2.8"] * 4 + ["0.0"] * 4 + ["2.1"]
    # t of 1 degree of freedom is 12.706: 12.706 * 2.83 / sqrt(2) = 25.4 and 12.706 * 2.12 / sqrt(2) = 19.1
    label, numbers = lines[header + 4][:4], lines[header + 4][4:]
    assert label == ["95", "%", "interval", "±"]
    assert numbers == ["25.4"] * 4 + ["0.0"] * 4 + ["19.1"]


def test_one_seed_has_no_line_of_standard_deviations() -> None:
    table = comparison_table([make_record("stc", 0.32)], protocols={})
    assert ["stc", "32.0", "32.0", "32.0", "32.0", "37.5", "62.5", "62.5", "62.5", "4"] in _lines(table)
    assert "sd" not in table.replace("standard", "")
    assert "interval" not in table


def test_heading_names_data_protocol_and_seeds() -> None:
    records = [make_record(seed=seed) for seed in (0, 2)]
    heading = " ".join(comparison_table(records, protocols={}).split("method")[0].split())
    assert heading == (
        "shapes test, 60 videos, masks, protocol hand-made (01234567), seeds 0, 2, "
        "configuration tiny unless named"
    )


def test_caption_explains_columns_marks_and_pretraining() -> None:
    shapes = next(value for (name, _), value in installed_protocols().items() if name == "shapes")
    record = make_record(ap=None, protocol="shapes", protocol_hash=shapes.content_hash())
    caption = " ".join(comparison_table([record]).split())
    assert "HOTA, IDF1, MOTA, recall, IDs: class-agnostic, at the operating point of each method" in caption
    assert "-: undefined" in caption
    assert "hold given this stage" in caption
    # of weights that were given, the protocol says nothing of how they were made
    given = record | {"train_data": None, "initial_weights": "f" * 64}
    assert "hold given this stage" not in comparison_table([given])
    assert "hold given this stage" in " ".join(comparison_table([record, given]).split())
    assert "-: undefined" not in comparison_table([make_record()], protocols={})


def test_failed_and_unscored_runs_show_their_status() -> None:
    records = [
        make_record("good", 0.5),
        make_record("broken", status="failed", error="RuntimeError: shapes\ndo not fit"),
        make_record("hidden", status="not scored"),
    ]
    lines = comparison_table(records, protocols={}).splitlines()
    assert any(
        line.startswith("broken") and "failed: RuntimeError: shapes do not fit" in line for line in lines
    )
    assert any(line.split() == ["hidden", "not", "scored"] for line in lines)


def test_a_failed_seed_of_a_good_row_is_named() -> None:
    records = [
        make_record("stc", 0.3, seed=0),
        make_record("stc", seed=1, status="failed", error="boom"),
        make_record("other", 0.2, seed=2),
    ]
    table = comparison_table(records, protocols={})
    assert "stc, seed 1: failed: boom" in table
    assert "stc: no record for seed 2." in table
    assert "other: no record for seeds 0, 1." in table


def test_twelve_methods_with_nasty_names_fit_80_columns() -> None:
    names = [*NASTY, *(f"method_{number}_of_a_long_family_name" for number in range(8))]
    records = [
        make_record(name, 1.0, seed=seed, switches=123456 * seed, config="a_long_configuration" * position)
        for position, name in enumerate(names)
        for seed in (0, 1)
    ]
    records.append(make_record("x" * 90, status="failed", error="word " * 100))
    table = comparison_table(records, protocols={})
    assert max(display_width(line) for line in table.splitlines()) <= TERMINAL_WIDTH == 80
    assert "\x1b" not in table


def test_a_shortened_name_is_visible_and_explained() -> None:
    table = comparison_table([make_record(NASTY[0])], protocols={})
    row = next(line for line in table.splitlines() if "30.0" in line)
    assert "…" in row
    assert f"= {NASTY[0]}".replace(" ", "") in "".join(table.split())


@settings(max_examples=40, deadline=None)
@given(name=st.text(max_size=120), dataset=st.text(max_size=120), error=st.text(max_size=200))
def test_no_text_of_a_record_can_widen_the_table(name: str, dataset: str, error: str) -> None:
    records = [
        make_record(name, dataset=dataset, seed=0),
        make_record(name, dataset=dataset, seed=1, status="failed", error=error),
        make_record(name + "x", dataset=dataset, status="failed", error=error),
    ]
    table = comparison_table(records, protocols={})
    assert all(display_width(line) <= 80 for line in table.split("\n"))


def test_columns_that_do_not_fit_are_named() -> None:
    table = comparison_table([make_record()], metrics=list(COLUMNS), protocols={})
    assert all(display_width(line) <= 80 for line in table.splitlines())
    missing = " ".join(table.split()).split("Not shown for lack of width: ")[1]
    assert "OWTA, s/frame, FPS." in missing


def test_times_of_different_devices_share_no_column() -> None:
    gpu = make_record("fast", hardware={"device": "cuda:0", "cpu": "Example CPU", "gpu": "Example GPU"})
    table = comparison_table([make_record("slow"), gpu], protocols={})
    assert "0.0125" not in table
    assert "Seconds are left out: the runs used different devices" in " ".join(table.split())


def test_no_records() -> None:
    assert comparison_table([]) == "No records."


@pytest.mark.parametrize(
    ("value", "unit", "averaged", "text"),
    [
        (None, "fraction", False, "-"),
        (0.0, "fraction", False, "0.0"),
        (-0.0001, "fraction", False, "0.0"),
        (-0.5, "fraction", False, "-50.0"),
        (1.0, "fraction", False, "100.0"),
        (7.0, "count", False, "7"),
        (7.0, "count", True, "7.0"),
        (0.01234, "seconds", False, "0.0123"),
        (0.000291, "seconds", False, "0.0003"),
        (12.34, "seconds", False, "12.3"),
        (1234.5, "seconds", False, "1234"),
        (0.0, "seconds", False, "0.000"),
    ],
)
def test_number_formats(value: float | None, unit: str, averaged: bool, text: str) -> None:
    assert format_value(value, unit, averaged) == text  # type: ignore[arg-type]
