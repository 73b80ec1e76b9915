"""Which record stands for a published row, and what its numbers say."""

from __future__ import annotations

import math
from typing import Any

import pytest
from record_samples import make_record

from vis_bench.records.rows import build_blocks
from vis_bench.report.papers.cells import ComparedRow, compare
from vis_bench.report.papers.commands import run_commands
from vis_bench.report.papers.published import published_library
from vis_bench.report.papers.runs import parse_run
from vis_bench.report.papers.table import status_text
from vis_bench.setup.protocol import Extra, load_protocol

TRAIN = {"name": "ytvis19", "split": "train-full", "annotation_hash": "b", "split_hash": "t", "videos": 2238}
PAPER = load_protocol("paper")
MIXED = PAPER.model_copy(
    update={"training": PAPER.training.model_copy(update={"extra": Extra(path="coco/of/mine.json")})}
)
VALID = {"name": "ytvis19", "split": "valid", "annotation_hash": "a", "split_hash": "s", "videos": 302}


def official(method: str = "inspro", ap: float = 0.402, seed: int = 0, **fields: Any) -> dict[str, Any]:
    """A record that may be compared with InsPro's Table 1: YouTube-VIS-2019 valid, ResNet-50, paper."""
    usual: dict[str, Any] = {
        "config": "paper",
        "config_values": {"backbone": {"name": "resnet50"}},
        "dataset": "ytvis19",
        "split": "valid",
        "data": VALID,
        "train_data": TRAIN,
        "protocol": "paper",
        "protocol_hash": PAPER.content_hash(),
    }
    return make_record(method, ap, seed, **(usual | fields))


def compared(where: str, *records: dict[str, Any], **options: Any) -> tuple[ComparedRow, ...]:
    library = published_library()
    name, _, table = where.partition(":")
    paper = library.paper(name)
    return compare(library, paper, paper.table(table), build_blocks(records), **options)


def row_of(where: str, *records: dict[str, Any], method: str = "InsPro", **wanted: Any) -> ComparedRow:
    """The first row of a method, with `setting` or `dataset` where given."""
    setting, dataset = wanted.pop("setting", None), wanted.pop("dataset", None)
    return next(
        row
        for row in compared(where, *records, **wanted)
        if row.row.method == method and setting in (None, row.row.setting) and dataset in (None, row.dataset)
    )


def status(row: ComparedRow, metric: str = "AP") -> str:
    return next(cell.status for cell in row.cells if cell.metric == metric)


@pytest.mark.parametrize(
    ("ap", "wanted"),
    # 40.2 is printed; 1.5 points either way count as reproduced
    [
        (0.402, "reproduced"),
        (0.417, "reproduced"),
        (0.387, "reproduced"),
        (0.4171, "differs"),
        (0.3869, "differs"),
    ],
)
def test_a_cell_is_reproduced_within_one_and_a_half_points(ap: float, wanted: str) -> None:
    row = row_of("inspro:1", official(ap=ap))
    assert status(row) == wanted
    # the sample has the same value in every metric, and 62.9 is printed for AP50
    assert status(row, "AP50") == "differs"
    assert row.status == "differs"
    assert row.why == ()


def test_a_wide_interval_over_seeds_widens_the_tolerance() -> None:
    # mean 44.2, sd 4: half the 95 % t interval of three seeds is 4.303 * 4 / sqrt(3) = 9.94 > 4.0
    seeds = [official(ap=ap, seed=seed) for seed, ap in enumerate((0.402, 0.442, 0.482))]
    row = row_of("inspro:1", *seeds)
    (cell,) = [cell for cell in row.cells if cell.metric == "AP"]
    assert cell.measured == pytest.approx(44.2)
    assert cell.sd == pytest.approx(4.0)
    assert cell.difference == pytest.approx(4.0)
    assert cell.status == "reproduced"
    # a wide interval agrees with everything, so it is named
    assert cell.interval_only == pytest.approx(4.3027 * 4 / math.sqrt(3), abs=1e-3)
    assert "AP (only within ±9.9 over seeds)" in status_text(row)
    near = [official(ap=ap, seed=seed) for seed, ap in enumerate((0.37, 0.41, 0.45))]
    (cell,) = [cell for cell in row_of("inspro:1", *near).cells if cell.metric == "AP"]
    assert (cell.status, cell.interval_only) == ("reproduced", None)
    # 4.303 * 0.4 / sqrt(3) = 0.99 is less than 1.5, and 4.0 is more
    close = [official(ap=ap, seed=seed) for seed, ap in enumerate((0.438, 0.442, 0.446))]
    assert math.isclose(4.303 * 0.4 / math.sqrt(3), 0.994, abs_tol=1e-3)
    assert status(row_of("inspro:1", *close)) == "differs"


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        (
            {"split": "devval", "data": VALID | {"split": "devval", "videos": 400}},
            "measured on devval, published on val",
        ),
        ({"data": VALID | {"videos": 20}}, "measured on 20 of 302 videos"),
        ({"config_values": {"backbone": {"name": "resnet101"}}}, "backbone resnet101, not ResNet-50"),
        ({"train_data": None, "initial_weights": "0" * 64}, "weights as given, not trained"),
        ({"train_data": TRAIN | {"videos": 3}}, "trained on 3 of 2238 videos"),
        ({"train_data": TRAIN | {"name": "mine"}}, "trained on mine train-full"),
        ({"initial_weights": "0" * 64}, "training started from weights given by hand"),
        ({"protocol": "shapes"}, "protocol shapes"),
        # a protocol of one's own may have any name; that with extra images is another one as well
        (
            {"protocol_hash": "0123456789abcdef"},
            "protocol paper with other content (01234567) than the installed one",
        ),
        (
            {"protocol_hash": MIXED.content_hash()},
            f"protocol paper with other content ({MIXED.content_hash()[:8]}) than the installed one",
        ),
        ({"config": "tiny"}, "configuration tiny"),
        ({"overrides": {"train.lr": 0.1}}, "set by hand: train.lr=0.1"),
        ({"dataset": "shapes", "split": "test"}, "measured on shapes test"),
        ({"iou_type": "bbox"}, "scored on boxes, not on masks"),
    ],
)
def test_every_way_of_not_being_comparable_is_named(fields: dict[str, Any], reason: str) -> None:
    row = row_of("inspro:1", official(**fields))
    assert row.status == "not comparable"
    assert row.why == (reason,)
    assert status(row) == "not comparable"


def test_a_printed_dash_is_no_number_to_compare_with() -> None:
    row = row_of("ifr:1", official("mask2former_vis", ap=0.464), method="Mask2Former")
    assert status(row) == "reproduced"
    assert [status(row, metric) for metric in ("AR1", "AR10")] == ["not printed"] * 2


def test_speed_is_never_measured() -> None:
    row = row_of("inspro:1", official())
    assert status(row, "FPS") == "not measured"


def test_parameters_are_compared_in_millions() -> None:
    # 106.1 M are printed; 1.5 % of it are 1.59 M
    near = official("inspro", config="paper+C", parameters={"total": 107_600_000, "trainable": 1})
    far = official("inspro", config="paper+C", parameters={"total": 107_800_000, "trainable": 1})
    assert status(row_of("inspro:2d", near, method="Ours"), "params_m") == "reproduced"
    assert status(row_of("inspro:2d", far, method="Ours"), "params_m") == "differs"


def test_rows_with_extra_images_need_records_with_extra_images() -> None:
    plain = official(ap=0.40)
    mixed = official(ap=0.43, seed=1, extra_data=VALID | {"name": "coco"}, protocol_hash=MIXED.content_hash())
    rows = {row.row.setting: row for row in compared("inspro:1", plain) if row.dataset == "YouTube-VIS-2019"}
    assert rows["with COCO images"].status == "not measured"
    rows = {row.row.setting: row for row in compared("inspro:1", mixed) if row.dataset == "YouTube-VIS-2019"}
    assert status(rows["with COCO images"]) == "reproduced"
    assert rows["YouTube-VIS only"].status == "not measured"


def test_variants_find_their_own_rows() -> None:
    records = [official(ap=0.24, config="paper+A"), official(ap=0.366, config="paper+E")]
    rows = compared("inspro:2a", *records)
    shown = [row.source.name if row.source else None for row in rows]
    assert shown == ["inspro@paper+A", None, None, None, "inspro@paper+E"]


def test_values_set_by_hand_find_rows_that_no_variant_makes() -> None:
    values = {"inference.tta_scales": "1,1.16667,1.33333,1.5"}
    swin = {"backbone": {"name": "swin_l"}}
    record = official("ifr", 0.626, config="paper+swin-l", config_values=swin, overrides=values)
    rows = [row for row in compared("ifr:1", record) if row.source is not None]
    assert [row.row.setting for row in rows] == ["100 queries, 4 resolutions"]
    assert status(rows[0]) == "reproduced"


def test_the_record_closest_to_the_paper_is_shown() -> None:
    shapes = make_record("inspro", 0.9)
    devval = official(ap=0.5, split="devval", data=VALID | {"split": "devval", "split_hash": "d"})
    valid = official(ap=0.4)
    for records, wanted in (((shapes,), 90.0), ((shapes, devval), 50.0), ((devval, valid, shapes), 40.0)):
        row = row_of("inspro:1", *records)
        assert next(cell.measured for cell in row.cells) == pytest.approx(wanted)
    row = row_of("inspro:1", shapes, devval, valid, on="shapes")
    assert next(cell.measured for cell in row.cells) == pytest.approx(90.0)
    assert "measured on shapes test" in row.why


@pytest.mark.parametrize(
    "fields",
    [
        {"protocol": "mine", "protocol_hash": "m"},
        {"iou_type": "bbox"},
        {"train_data": TRAIN | {"annotation_hash": "x", "videos": 3}},
    ],
)
def test_more_seeds_that_are_not_comparable_hide_no_comparable_one(fields: dict[str, Any]) -> None:
    others = [official(ap=0.9, seed=seed, **fields) for seed in (0, 1)]
    row = row_of("inspro:1", *others, official(ap=0.4))
    assert status(row) == "reproduced"
    assert next(cell.measured for cell in row.cells) == pytest.approx(40.0)


def test_a_run_on_hidden_truth_says_so() -> None:
    row = row_of("inspro:1", official(status="not scored"))
    assert row.status == "not measured"
    assert row.why == ("inspro@paper ran on ytvis19 valid, whose truth is hidden",)


def test_methods_that_are_not_ours_and_rows_without_meaning_say_so() -> None:
    assert row_of("inspro:1", method="SipMask").why == ("not among the methods of vis-bench",)
    undefined = row_of(
        "stc:5", method="ablation", setting="no contrastive, bidirectional, embedding width=256"
    )
    assert undefined.why == ("a bidirectional term without a contrastive loss is not defined",)


def test_tracking_metrics_are_read_at_the_threshold_asked_for() -> None:
    record = make_record("ifr", switches=4)
    record["metrics"]["mot"]["class_agnostic"] = {
        "0.3": {"IDF1": 0.6, "MOTA": -0.016, "IDP": 0.5, "IDR": 0.7, "IDs": 9},
        "0.5": {"IDF1": 0.7, "MOTA": 0.1, "IDP": 0.8, "IDR": 0.6, "IDs": 2},
    }
    for threshold, wanted in (("0.3", [60.0, -1.6, 50.0, 70.0, 9.0]), ("0.5", [70.0, 10.0, 80.0, 60.0, 2.0])):
        row = row_of("ifr:3", record, method="Ours (IFR)", on="shapes", threshold=threshold)
        assert [cell.measured for cell in row.cells] == pytest.approx(wanted)
        assert row.status == "not comparable"


def test_figure_4_has_measured_values_beside_nothing_printed() -> None:
    records = [make_record("ifr", 0.3, seed, config="tiny+lambda-e-0.5") for seed in (0, 1)]
    row = row_of("ifr:figure4", *records, method="Ours (IFR)", setting="lambda_e=0.5", on="shapes")
    assert row.status == "not comparable"
    assert [cell.status for cell in row.cells] == ["not printed"] * 5
    assert row.cells[0].measured == pytest.approx(30.0)
    assert row.cells[0].sd == pytest.approx(0.0)


def test_contradictions_hang_on_their_cells() -> None:
    row = row_of("stc:2", method="MaskTrack R-CNN")
    assert [(conflict.id, metrics) for conflict, metrics in row.conflicts] == [
        ("A1", ("AP", "AP50", "AP75", "AR1", "AR10"))
    ]
    copied = row_of("ifr:1", method="Ours (IFR)")
    assert "C13" not in [conflict.id for conflict, _ in copied.conflicts]
    r101 = next(
        row for row in compared("ifr:1") if row.row.backbone == "ResNet-101" and row.row.runs == ("ifr@r101",)
    )
    assert ("C13", ("AP50", "AP75")) in [(conflict.id, metrics) for conflict, metrics in r101.conflicts]


def commands(where: str, on: str | None, *records: dict[str, Any]) -> list[str]:
    library = published_library()
    name, _, table = where.partition(":")
    paper = library.paper(name)
    rows = compared(where, *records, on=on)
    return run_commands(library.terms, paper, paper.table(table), rows, on, "out")


def test_the_commands_of_table_3_and_figure_4_on_shapes() -> None:
    assert commands("ifr:3", "shapes") == [
        "vis-bench run --methods mask2former_vis,ifr --dataset shapes --seeds 5 --out out"
    ]
    names = "ifr@lambda-e-0,ifr@lambda-e-0.1,ifr,ifr@lambda-e-0.5,ifr@lambda-e-1"
    assert commands("ifr:figure4", "shapes") == [
        f"vis-bench run --methods {names} --dataset shapes --seeds 5 --out out"
    ]


def test_the_commands_on_the_papers_data_leave_out_what_is_measured() -> None:
    tail = "--seeds 3 --out out --protocol paper --device cuda"
    everything = commands("inspro:2d", None)
    assert everything == [f"vis-bench run --methods inspro_tbd,inspro@C --dataset ytvis19 {tail}"]
    left = commands("inspro:2d", None, official("inspro_tbd"))
    assert left == [f"vis-bench run --methods inspro@C --dataset ytvis19 {tail}"]
    # a number of the synthetic set does not stand for one of the paper's
    assert commands("inspro:2d", None, make_record("inspro_tbd")) == everything
    assert "--extra-data coco:path/to/coco" in commands("inspro:1", None)[-1]
    assert "--set embedding_width=64" in commands("stc:5", None)[0]


def test_run_names_are_taken_apart() -> None:
    run = parse_run("inspro_vid@paper-r50+A bank=False weights.dedup_beta=0.1")
    assert (run.method, run.config, run.variant) == ("inspro_vid", "paper-r50", "A")
    assert run.values == (("bank", "False"), ("weights.dedup_beta", "0.1"))
    assert run.name(with_config=True) == "inspro_vid@paper-r50+A"
    assert run.name(with_config=False) == "inspro_vid@A"
    assert parse_run("ifr").name(with_config=True) == "ifr"
