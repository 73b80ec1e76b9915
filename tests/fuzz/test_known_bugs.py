"""Every input of a public bug report ends as the table says."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from known_bugs import CASES, Case

from vis_bench.scoring.files import evaluate

FIXTURES = os.environ.get("VIS_BENCH_FIXTURES")
pytestmark = pytest.mark.skipif(not FIXTURES, reason="VIS_BENCH_FIXTURES is not set")


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.name} {case.command[0]}")
def test_known_input(vis_bench, tmp_path, case: Case) -> None:
    bugs = Path(str(FIXTURES)) / "bugs"
    code, out, err = vis_bench(*case.arguments(bugs, tmp_path / "runs"))
    assert code == case.code, err
    assert case.says in out + err
    assert case.never not in out + err
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("predictions", "truth"),
    [
        ("08_pred_nan_boxes_good_masks.json", "gt.json"),
        ("pred.json", "08b_gt_negative_box_good_masks.json"),
        ("pred.json", "07b_masks_only_null_boxes.json"),
        ("pred.json", "10_counts_floats.json"),
    ],
)
def test_what_is_not_used_changes_no_number(predictions: str, truth: str) -> None:
    bugs = Path(str(FIXTURES)) / "bugs"
    plain = evaluate(bugs / "pred.json", bugs / "gt.json", metrics="ap")["video_ap"]
    assert evaluate(bugs / predictions, bugs / truth, metrics="ap")["video_ap"] == plain
    assert plain["AP"] is not None


def test_every_input_has_a_line() -> None:
    """Every file and folder there but the protocol, which is how the others are run."""
    found = {path.name for path in (Path(str(FIXTURES)) / "bugs").iterdir()} - {"p.toml"}
    assert found == {name for case in CASES for name in case.name.split(", ")}
