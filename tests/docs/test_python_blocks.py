"""Every block of Python in README and docs/ runs, or is listed with a reason (not_executed.toml).

What a block takes for granted (an open data set, predictions of a loop) is made here: two videos with an
object each, and predictions that are equal to them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from shown import ROOT, Shown, first_line, not_executed, python_blocks

from vis_bench.compat import VideoInstanceMetric
from vis_bench.data.catalog import open_dataset
from vis_bench.data.predictions import read_results

# what tests/api/test_public_api.py executes, and holds to the comments behind its lines
BY_API_TEST = {"docs/api.md:1", "docs/api.md:3"}
HERE = [
    one
    for one in python_blocks()
    if one.place not in BY_API_TEST and first_line(one.text) not in not_executed()
]
SQUARE = {"size": [2, 2], "counts": "04"}
TRUTH: dict[str, Any] = {
    "videos": [
        {"id": number, "width": 2, "height": 2, "file_names": [f"{number}/0.jpg"]} for number in (1, 2)
    ],
    "categories": [{"id": 1, "name": "square"}],
    "annotations": [
        {"id": number, "video_id": number, "category_id": 1, "segmentations": [SQUARE]} for number in (1, 2)
    ],
}
FOUND = [{"video_id": number, "category_id": 1, "score": 0.9, "segmentations": [SQUARE]} for number in (1, 2)]


def taken_for_granted(folder: Path) -> dict[str, Any]:
    """Names that blocks use without making them, and files in the folder."""
    (folder / "instances_val.json").write_text(json.dumps(TRUTH))
    (folder / "results.json").write_text(json.dumps(FOUND))
    (folder / "runs").symlink_to(ROOT / "results" / "shapes-quick")
    dataset = open_dataset(folder / "instances_val.json")
    categories = TRUTH["categories"]
    return {
        "dataset": dataset,
        "tracks": read_results(folder / "results.json", dataset),
        "weights": np.ones((1, 2)),
        "categories": categories,
        "predictions": FOUND,
        "videos": TRUTH["videos"],
        "annotations": TRUTH["annotations"],
        "state_of_another_process": VideoInstanceMetric(categories, metrics="official").state(),
    }


@pytest.mark.parametrize("block", [pytest.param(one, id=one.place) for one in HERE])
def test_it_runs(block: Shown, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names = taken_for_granted(tmp_path)
    exec(compile(block.text, block.place, "exec"), names)
    # equal predictions score 1
    if "numbers" in names:
        assert names["numbers"]["video_ap"]["AP"] == pytest.approx(1)
    if "metric" in names:
        assert names["metric"].compute()["video_ap"]["AP"] == pytest.approx(1)


def test_the_blocks_are_found() -> None:
    assert len(HERE) >= 6
    assert {one.place for one in python_blocks()} >= BY_API_TEST
