"""Grouping of records into blocks and rows, means and standard deviations."""

from __future__ import annotations

import math
from typing import Any

import pytest
from record_samples import make_record

from vis_bench.errors import DataError, NotComparableError, UsageError
from vis_bench.records.columns import COLUMNS, choose_columns
from vis_bench.records.rows import Cell, build_blocks, summarise_seeds
from vis_bench.report.tables.blocks import methods_table
from vis_bench.report.tables.caption import block_notes, heading
from vis_bench.setup.protocol import Protocol

OTHER = {"name": "mine", "split": "train", "annotation_hash": "c", "split_hash": "u", "videos": 3}


def test_sample_standard_deviation_of_two_seeds_worked_out_by_hand() -> None:
    # mean 0.34; deviations -0.02 and 0.02; sum of squares 0.0008; divisor n - 1 = 1
    cell = summarise_seeds([0.32, 0.36])
    assert cell.mean == pytest.approx(0.34, abs=1e-15)
    assert cell.sd == pytest.approx(math.sqrt(0.0008), abs=1e-15)
    assert cell.count == 2
    # 12.706 sd / sqrt(2), as the t distribution of one degree of freedom is the Cauchy distribution
    assert cell.half_interval == pytest.approx(math.tan(math.pi * 0.475) * 0.02)


def test_one_seed_has_no_standard_deviation() -> None:
    assert summarise_seeds([0.32]) == Cell(0.32, None, 1)
    assert summarise_seeds([0.32]).half_interval is None


def test_one_undefined_seed_makes_the_mean_undefined() -> None:
    assert summarise_seeds([0.32, None]) == Cell(None, None, 2)


def test_rows_are_sorted_by_mean_ap_and_rows_without_come_last() -> None:
    records = [
        make_record("low", 0.1),
        make_record("afailure", status="failed", error="boom"),
        make_record("high", 0.3, seed=0),
        make_record("high", 0.5, seed=1),
        make_record("middle", 0.39),
        make_record("undefined", None),
    ]
    (block,) = build_blocks(records)
    assert [row.method for row in block.rows] == ["high", "middle", "low", "afailure", "undefined"]
    assert [row.status for row in block.rows] == ["done", "done", "done", "failed", "done"]


def test_boxes_have_a_block_of_their_own_after_the_masks() -> None:
    blocks = build_blocks([make_record("boxes", 0.9, iou_type="bbox"), make_record("masks", 0.1)])
    assert [[row.method for row in block.rows] for block in blocks] == [["masks"], ["boxes"]]


@pytest.mark.parametrize(
    "change",
    [
        {"dataset": "shapes-crossing"},
        {"split": "val"},
        {"protocol_hash": "fedcba9876543210"},
        {"data": {"name": "x", "split": "y", "annotation_hash": "b", "split_hash": "s", "videos": 60}},
        {"data": {"name": "x", "split": "y", "annotation_hash": "a", "split_hash": "t", "videos": 60}},
        {"train_data": OTHER | {"split_hash": "t"}},
        {"train_data": OTHER | {"annotation_hash": "b"}},
        {"train_data": None},
        {"extra_data": OTHER},
    ],
)
def test_runs_on_other_data_or_protocols_do_not_share_a_table(change: dict[str, Any]) -> None:
    assert len(build_blocks([make_record("one"), make_record("two", **change)])) == 2
    assert len(build_blocks([make_record("one"), make_record("two")])) == 1


def test_the_usual_configuration_is_left_out_of_labels() -> None:
    records = [make_record(), make_record(config="paper")]
    protocol = Protocol(name="hand-made", about="", config="tiny")
    (block,) = build_blocks(records, {("hand-made", "0123456789abcdef"): protocol})
    assert sorted(row.label(block.default_config) for row in block.rows) == ["stc", "stc@paper"]
    (unknown,) = build_blocks(records)  # protocol not given, two configurations: none is the usual one
    assert sorted(row.label(unknown.default_config) for row in unknown.rows) == ["stc@paper", "stc@tiny"]
    (single,) = build_blocks([make_record(config="paper")])
    assert (single.default_config, single.rows[0].label(single.default_config)) == ("paper", "stc")


def test_values_set_by_hand_make_another_row() -> None:
    changed = make_record(seed=1, overrides={"train.lr": 0.1})
    (block,) = build_blocks([make_record(seed=0), changed])
    assert sorted(row.label(block.default_config) for row in block.rows) == ["stc", "stc[train.lr=0.1]"]


def test_blocks_that_differ_in_the_training_only_say_so() -> None:
    records = [
        make_record("one"),
        make_record("two", train_data=OTHER, extra_data=OTHER | {"name": "coco", "split": "train2017"}),
        make_record("three", train_data=None, initial_weights="0123456789"),
    ]
    own = "trained on shapes train (500 videos, b, t)"
    mixed = "trained on mine train (3 videos, c, u) and coco train2017 (3 images, c, u)"
    assert [block.training for block in build_blocks(records)] == [
        own,
        mixed,
        "weights as given, not trained",
    ]
    assert f"protocol hand-made (01234567), {own}, seed 0" in heading(build_blocks(records)[0])
    (alone,) = build_blocks(records[:1])
    assert alone.training == ""


def test_other_initial_weights_make_another_row_of_the_same_table() -> None:
    given = {"initial_weights": "0123456789abcdef"}
    (block,) = build_blocks([make_record(ap=0.4), make_record(ap=0.3, **given), make_record("ifr", **given)])
    labels = [row.label(block.default_config) for row in block.rows]
    assert labels == ["stc", "ifr", "stc[weights=01234567]"]
    names = [line[:2] for line in methods_table([block]).lines]
    assert names == [("stc", "tiny"), ("ifr", "tiny"), ("stc", "tiny[weights=01234567]")]
    assert [note for note in block_notes(block, ()) if "weights" in note] == [
        "ifr: training started from weights given by hand (01234567).",
        "stc[weights=01234567]: training started from weights given by hand (01234567).",
    ]


def test_one_checkpoint_under_several_seeds_is_no_repetition() -> None:
    fixed = {"train_data": None, "initial_weights": "0123456789abcdef"}
    with pytest.raises(DataError, match="seeds 0 and 1 scored the same weights without training"):
        build_blocks([make_record(seed=0, **fixed), make_record(seed=1, **fixed)])


def test_seeds_of_different_commits_are_one_row_with_a_note() -> None:
    commits = (
        {"commit": "a" * 40, "dirty": False},
        {"commit": "a" * 40, "dirty": True},
        {"commit": "b" * 40},
    )
    (block,) = build_blocks([make_record(seed=seed, git=git) for seed, git in enumerate(commits)])
    assert block.rows[0].done_seeds == (0, 1, 2)
    assert "stc: seeds ran at different commits (aaaaaaa, bbbbbbb)." in block_notes(block, ())
    (block,) = build_blocks([make_record(seed=seed, git=git) for seed, git in enumerate(commits[:2])])
    assert not any("commits" in note for note in block_notes(block, ()))


def test_methods_with_values_set_by_hand_have_lines_of_their_own() -> None:
    """Parameters and training time are those of the values, not of the configuration without them."""
    wide = {
        "overrides": {"dim": 128},
        "parameters": {"total": 9_000_000, "trainable": 9_000_000},
        "timing": {"train_seconds": 30.0},
    }
    (block,) = build_blocks([make_record(ap=0.4), make_record(**wide)])
    lines = methods_table([block]).lines
    assert [(line[1], *line[-3:]) for line in lines] == [
        ("tiny", "1,200,000", "1,100,000", "90"),
        ("tiny[dim=128]", "9,000,000", "9,000,000", "30"),
    ]


def test_different_configurations_under_one_name_are_not_averaged() -> None:
    records = [make_record(seed=0), make_record(seed=1, config_values={"train": {"lr": 0.1}})]
    with pytest.raises(NotComparableError, match="seeds 0 and 1 ran with different configuration"):
        build_blocks(records)


def test_a_seed_counted_twice_is_refused() -> None:
    with pytest.raises(DataError, match="more than one record for seed 3"):
        build_blocks([make_record(seed=3), make_record(seed=3)])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema_version": 2}, "schema version is 2"),
        ({"status": "finished"}, "status"),
        ({"metrics": None}, "there are no metrics"),
        ({"seed": None}, "seed"),
    ],
)
def test_malformed_records_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        build_blocks([make_record() | change])


def test_a_value_that_is_no_finite_number_is_refused() -> None:
    record = make_record()
    record["metrics"]["video_ap"]["AP50"] = float("nan")
    with pytest.raises(DataError, match=r"metrics: video_ap\.AP50 is nan"):
        build_blocks([record])


def test_seconds_per_frame() -> None:
    (block,) = build_blocks([make_record(timing={"track_seconds": 12.0, "frames": 960})])
    assert block.rows[0].cell(COLUMNS["s/frame"]).mean == 12.0 / 960
    (none,) = build_blocks([make_record(timing={"track_seconds": 12.0, "frames": 0})])
    assert none.rows[0].cell(COLUMNS["s/frame"]).mean is None


def test_unknown_or_repeated_columns_are_usage_errors() -> None:
    with pytest.raises(UsageError, match="Did you mean 'AP75'"):
        choose_columns(["AP", "AP76"])
    with pytest.raises(UsageError, match="named twice"):
        choose_columns(["AP", "AP"])
