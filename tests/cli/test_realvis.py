"""The small real videos: they load by path, and their truth as predictions is a perfect result."""

import json
import os
from pathlib import Path

import pytest

from vis_bench.data.catalog import open_dataset
from vis_bench.data.predictions import write_results
from vis_bench.types import Track


@pytest.fixture
def realvis():
    fixtures = os.environ.get("VIS_BENCH_FIXTURES")
    if not fixtures:
        pytest.skip("VIS_BENCH_FIXTURES is not set")
    return Path(fixtures) / "realvis"


def test_truth_as_predictions_is_perfect(vis_bench, realvis, tmp_path):
    dataset = open_dataset(str(realvis), "val")
    assert (len(dataset.videos), len(dataset.tracks)) == (3, 51)
    results = tmp_path / "results.json.gz"
    write_results(
        results,
        [Track(t.video_id, t.category_id, 1.0, t.segmentations) for t in dataset.tracks],
    )
    code, out, _ = vis_bench("eval", results, "--dataset", realvis, "--split", "val", "--json", "-")
    assert code == 0
    scores = json.loads(out)
    assert scores["video_ap"]["AP"] == pytest.approx(1, abs=1e-12)
    assert scores["frame_ap"]["AP"] == pytest.approx(1, abs=1e-12)
    for mode in scores["mot"].values():
        for row in mode.values():
            assert row["IDF1"] == 1.0
            assert row["MOTA"] == 1.0
            assert (row["IDs"], row["FP"], row["FN"], row["Frag"]) == (0, 0, 0, 0)
    for mode in scores["hota"].values():
        assert mode["all"]["HOTA"] == pytest.approx(1, abs=1e-12)


def test_frames_and_masks_are_sound(vis_bench, realvis):
    code, out, _ = vis_bench("data", "verify", realvis, "--split", "val")
    assert code == 0
    assert "3 videos, 52 frames, 51 tracks, 980 masks, 0 problems" in out
