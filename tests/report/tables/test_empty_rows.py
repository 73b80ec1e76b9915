"""A row that found no track says so below the table, with advice that works."""

import pytest
from record_samples import make_record

from vis_bench.report.tables.page import report_page
from vis_bench.report.terminal.comparison_table import comparison_table
from vis_bench.setup.config import choose_config, override
from vis_bench.setup.plugins import load_spec


def without_tracks(record, *levels):
    """The record as `evaluate` gives it without a track there: of nothing, no share is right."""
    metrics = record["metrics"]
    thresholds = {
        level: values | {"IDP": None} if level in levels else values
        for level, values in metrics["mot"]["class_agnostic"].items()
    }
    point = metrics["operating_point"]
    if "point" in levels:
        point = point | {"mot": point["mot"] | {"IDP": None}}
    return record | {"metrics": metrics | {"mot": {"class_agnostic": thresholds}, "operating_point": point}}


def below(*records, threshold=None):
    text = " ".join(comparison_table(records, protocols={}, threshold=threshold).split())
    (part,) = report_page(records, protocols={}, threshold=threshold).blocks
    # the table of the report has the same notes
    assert all(" ".join(note.split()) in text for note in part.main.notes)
    return text


ALL = ("0.0", "0.1", "0.3", "0.5", "point")


def test_nothing_is_said_of_rows_with_tracks():
    assert "No track" not in below(make_record("stc"), make_record("inspro"))


def test_no_track_at_all():
    config = {"train": {"iterations": 300, "lr": 0.1}, "second": {"train": {"iterations": 40}}}
    text = below(without_tracks(make_record("stc", 0.0, config_values=config), *ALL), make_record("inspro"))
    assert (
        "No track at all: stc. What to try: training twice as long (--set train.iterations=600 "
        "--set second.train.iterations=80)." in text
    )
    assert "No track above" not in text


def test_one_seed_of_two_is_named():
    text = below(make_record("stc", seed=0), without_tracks(make_record("stc", 0.0, seed=1), *ALL))
    assert "No track at all: stc (seed 1)." in text


@pytest.mark.parametrize(
    ("fields", "advice"),
    [
        ({"protocol": "shapes-quick"}, "the same run without --quick"),
        ({"train_data": None}, "other weights (--weights FILE)"),
        (
            {"foreign": True, "protocol": "none", "protocol_hash": "none"},
            "vis-bench eval of the imported file",
        ),
    ],
)
def test_what_to_try_fits_the_row(fields, advice):
    assert f"What to try: {advice}" in below(without_tracks(make_record("stc", 0.0, **fields), *ALL))


def test_no_track_above_the_operating_point():
    records = [without_tracks(make_record("stc", 0.1), "point"), make_record("inspro")]
    text = below(*records)
    assert "No track above the operating point: stc. What to try: --threshold 0" in text
    # which is no worse for the advice taken
    assert "No track" not in below(*records, threshold="0.0")
    assert "No track above score 0.5: stc." in below(
        without_tracks(make_record("stc", 0.1), "0.5"), threshold="0.5"
    )


def test_the_key_of_the_advice_is_one_that_a_method_has():
    _, config = choose_config(load_spec("stc"), "tiny", "tiny")
    assert override(config, {"train.iterations": 600}).train.iterations == 600
