"""`vis-bench submit`: the servers' zip, read back equal, and what is refused before the server does."""

import json
import zipfile

import pytest
from square_videos import write_split
from stored_runs import store_run

from vis_bench.data.catalog import open_dataset
from vis_bench.data.predictions import read_results
from vis_bench.integrations.formats.scored import read_predictions_file
from vis_bench.records.run import PREDICTIONS_NAME


@pytest.fixture
def data(tmp_path):
    write_split(tmp_path / "four", "val", 4)
    return tmp_path / "four"


@pytest.fixture
def run(tmp_path, data):
    return store_run(tmp_path / "runs", data, "whole", 0, range(4))


def test_zip_holds_equal_predictions(vis_bench, run, data, tmp_path):
    out = tmp_path / "out.zip"
    code, text, _ = vis_bench("submit", run, "-d", data, "-o", out)
    assert code == 0
    assert "4 tracks of 4 videos" in text
    with zipfile.ZipFile(out) as archive:
        assert archive.namelist() == ["results.json"]
        entries = json.loads(archive.read("results.json"))
    assert set(entries[0]) == {"video_id", "category_id", "score", "segmentations"}
    dataset = open_dataset(data, "val")
    assert read_predictions_file(out, dataset) == read_results(run / PREDICTIONS_NAME, dataset)
    again = tmp_path / "again.zip"
    assert vis_bench("submit", out, "-d", data, "-o", again)[0] == 0
    assert again.read_bytes() == out.read_bytes()


def test_a_missing_video_is_named(vis_bench, data, tmp_path):
    run = store_run(tmp_path / "runs", data, "half", 0, (0, 1, 3))
    code, _, err = vis_bench("submit", run, "-d", data, "-o", tmp_path / "out.zip")
    assert code == 3
    assert "val2" in err
    assert not (tmp_path / "out.zip").exists()
    assert vis_bench("submit", run, "-d", data, "-o", tmp_path / "out.zip", "--allow-empty")[0] == 0


def test_the_cap_keeps_the_best_and_says_what_it_cuts(vis_bench, data, run, tmp_path):
    import gzip

    entries = json.loads(gzip.decompress((run / PREDICTIONS_NAME).read_bytes()))
    worse = [entry | {"score": 0.1 + 0.1 * i} for i, entry in enumerate(entries[:1] * 3)]
    path = tmp_path / "many.json"
    path.write_text(json.dumps([*worse, *entries]))
    code, text, err = vis_bench("submit", path, "-d", data, "-o", tmp_path / "out.zip", "--max-tracks", "2")
    assert code == 0
    assert "2 tracks beyond the best 2" in err
    with zipfile.ZipFile(tmp_path / "out.zip") as archive:
        kept = json.loads(archive.read("results.json"))
    assert [round(entry["score"], 3) for entry in kept if entry["video_id"] == 0] == [0.3, 0.9]
    assert "5 tracks" in text


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"segmentations": [None]}, "1 entries, the video has 4 frames"),
        ({"category_id": 9}, "category 9"),
        ({"score": "high"}, "score"),
    ],
)
def test_what_a_server_would_refuse(vis_bench, data, run, tmp_path, change, message):
    import gzip

    entries = json.loads(gzip.decompress((run / PREDICTIONS_NAME).read_bytes()))
    path = tmp_path / "bad.json"
    path.write_text(json.dumps([entries[0] | change, *entries[1:]]))
    code, _, err = vis_bench("submit", path, "-d", data, "-o", tmp_path / "out.zip")
    assert code == 3
    assert message in err


def test_nothing_is_overwritten(vis_bench, data, run, tmp_path):
    (tmp_path / "out.zip").write_text("mine")
    code, _, err = vis_bench("submit", run, "-d", data, "-o", tmp_path / "out.zip")
    assert code == 2
    assert "there already" in err
    assert vis_bench("submit", run, "-d", data, "-o", tmp_path / "out.json")[0] == 2
