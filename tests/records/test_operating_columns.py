"""Which threshold a table reads, what it says about it, and that old records are still read."""

from __future__ import annotations

from pathlib import Path

import pytest
from record_samples import make_record

from vis_bench.errors import UsageError
from vis_bench.records.columns import COLUMNS, choose_columns, compared_column, parse_threshold, read_value
from vis_bench.records.run import read_record
from vis_bench.report.terminal.comparison_table import comparison_table

ROOT = Path(__file__).parents[2]
COMMITTED = sorted([*(ROOT / "results").rglob("record.json"), *(ROOT / "tests/gate").rglob("record.json")])
TRACKING = ("IDF1", "MOTA", "IDP", "IDR", "recall", "IDs", "Frag", "HOTA", "DetA", "AssA")


def old(method: str = "stc", **fields: object) -> dict[str, object]:
    """A record from before there was an operating point."""
    record = make_record(method, **fields)  # type: ignore[arg-type]
    del record["operating_point"]
    del record["metrics"]["operating_point"], record["metrics"]["duplicates_per_100"]
    return record


def text(*records: dict[str, object], **options: object) -> str:
    return " ".join(comparison_table(records, protocols={}, **options).split())  # type: ignore[arg-type]


def test_every_committed_record_is_read_and_shown() -> None:
    assert len(COMMITTED) > 20
    for path in COMMITTED:
        record = read_record(path)
        shown = comparison_table([record.model_dump(mode="json")])
        assert record.method in shown
        if record.status == "done" and record.operating_point is None:
            assert "of tracks scored above 0.3 in every row" in " ".join(shown.split())


@pytest.mark.parametrize("name", TRACKING)
def test_tracking_columns_read_the_operating_point_and_not_a_fixed_score(name: str) -> None:
    record = make_record(switches=4)
    kind = "hota" if name in ("HOTA", "DetA", "AssA") else "mot"
    record["metrics"]["operating_point"][kind][name] = 0.875
    assert read_value(record, COLUMNS[name]) == 0.875
    (fixed,) = choose_columns([name], "0.3")
    assert read_value(record, fixed) == record["metrics"][kind]["class_agnostic"]["0.3"][name] != 0.875


def test_a_table_shows_the_operating_point_unless_a_score_is_named() -> None:
    at_point, above = text(make_record()), text(make_record(), threshold="0.3")
    assert "37.5 62.5 62.5 62.5 4" in at_point
    assert "at the operating point of each method" in at_point
    assert "25.0 50.0 50.0 50.0 3" in above
    assert "HOTA, IDF1, MOTA, recall, IDs: class-agnostic, tracks scored above 0.3." in above
    assert "operating point" not in above


def test_one_old_record_puts_all_rows_of_its_table_above_the_fixed_score() -> None:
    shown = text(make_record("new"), old("older"))
    assert shown.count("25.0 50.0 50.0 50.0 3") == 2
    assert "in every row, since older have no operating point" in shown
    assert "at the operating point of each method" not in shown
    # another table is not concerned
    both = text(make_record("new"), old("older", protocol="another", protocol_hash="9" * 16))
    assert "37.5 62.5 62.5 62.5 4" in both
    assert "since these records have no operating point" in both


def test_sources_are_noted_where_they_differ_and_where_videos_chose_for_themselves() -> None:
    halves = {"thresholds": [0.2, 0.4], "metric": "IDF1", "source": "cross-fit"}
    shown = text(make_record("a"), make_record("b", operating_point=halves))
    assert "Operating points come from different sources (val: a; cross-fit: b)." in shown
    assert "different sources" not in text(make_record("a"), make_record("b"))
    alone = {"thresholds": [0.2], "metric": "IDF1", "source": "same videos"}
    assert "of b: at thresholds that are best on the scored videos themselves" in text(
        make_record("b", operating_point=alone)
    )
    # a table without such a column has nothing to say
    assert "sources" not in text(make_record("a"), make_record("b", operating_point=halves), metrics=["AP"])


@pytest.mark.parametrize(("given", "expected"), [(None, None), ("0.3", "0.3"), (".5", "0.5"), (0, "0.0")])
def test_thresholds_as_they_are_typed(given: str | float | None, expected: str | None) -> None:
    assert parse_threshold(given) == expected


@pytest.mark.parametrize("given", ["0.2", "high", "nan"])
def test_thresholds_that_records_do_not_hold_are_refused(given: str) -> None:
    with pytest.raises(UsageError, match=r"records are scored above 0\.0, 0\.1, 0\.3, 0\.5"):
        parse_threshold(given)


def test_hota_is_compared_above_one_fixed_score_only() -> None:
    assert compared_column("HOTA", "0.3").path[-2] == "0.3"
    with pytest.raises(UsageError, match=r"HOTA is computed above 0\.3 only"):
        compared_column("HOTA", "0.5")
