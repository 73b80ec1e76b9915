"""`vis-bench import`: foreign records in tables, comparisons, gate; and what it refuses."""

import json

import pytest
from square_videos import write_split
from stored_runs import store_run

from vis_bench.records.operating_point import NO_VERDICT
from vis_bench.records.run import PREDICTIONS_NAME, read_record

VIDEOS = 6
ALL = range(VIDEOS)


@pytest.fixture
def data(tmp_path):
    write_split(tmp_path / "six", "val", VIDEOS)
    return tmp_path / "six"


@pytest.fixture
def files(tmp_path, data):
    """Results of a method that finds everything and one that finds the objects of three videos."""
    made = {}
    for name, found in (("whole", ALL), ("half", range(3))):
        folder = store_run(tmp_path / "made", data, name, 0, found)
        made[name] = folder / PREDICTIONS_NAME
    return made


@pytest.fixture
def bring(vis_bench, tmp_path, data, files):
    def call(name, *arguments):
        return vis_bench(
            "import", files[name], "--name", name, "-d", data, "--split", "val", "--out", tmp_path / "runs",
            *arguments,
        )  # fmt: skip

    return call


def record_of(tmp_path, name):
    (path,) = (tmp_path / "runs").rglob(f"{name}-seed-*/record.json")
    return read_record(path)


def test_a_record_without_claims(bring, tmp_path):
    code, out, err = bring("half", "--paradigm", "tea leaves", "--seed", "4")
    assert code == 0
    assert "predictions made elsewhere" in " ".join(out.split())
    record = record_of(tmp_path, "half")
    assert (record.method, record.foreign, record.paradigm, record.seed) == ("half", True, "tea leaves", 4)
    assert (record.protocol, record.train_data, record.online, record.status) == ("none", None, None, "done")
    assert record.timing.track_seconds is None
    # half of the objects are found without an error: 51 of 101 recall levels
    assert record.metrics["video_ap"]["AP"] == pytest.approx(51 / 101)
    code, _, err = bring("half", "--paradigm", "tea leaves", "--seed", "4")
    assert code == 0
    assert err.startswith("cached")


@pytest.mark.parametrize(
    ("videos", "source", "thresholds"), [(VIDEOS, "same videos", 1), (9, "cross-fit", 2)]
)
def test_tracking_columns_read_an_operating_point(vis_bench, tmp_path, videos, source, thresholds):
    """As every other record: halves of enough videos choose for each other, too few for themselves."""
    write_split(tmp_path / "data", "val", videos)
    for name, found in (("ours", range(videos)), ("theirs", range(3))):
        folder = store_run(tmp_path / "made", tmp_path / "data", name, 0, found)
        code, _, _ = vis_bench(
            "import", folder / PREDICTIONS_NAME, "--name", name, "-d", tmp_path / "data", "--split", "val",
            "--out", tmp_path / "runs",
        )  # fmt: skip
        assert code == 0
        point = record_of(tmp_path, name).operating_point
        assert (point.source, len(point.thresholds), point.metric) == (source, thresholds, "IDF1")
    store_run(tmp_path / "runs", tmp_path / "data", "mine", 0, range(4), operating_point=point)
    code, out, _ = vis_bench("report", tmp_path / "runs", "--no-pictures", "--out", tmp_path / "report")
    text = " ".join(out.split())
    assert code == 0
    assert "have no operating point" not in text
    assert ("best on the scored videos themselves" in text) == (source == "same videos")
    call = ("compare", "ours", "theirs", "--records", tmp_path / "runs", "-d", tmp_path / "data")
    code, out, _ = vis_bench(*call, "--metric", "IDF1")
    assert code == 0
    assert (NO_VERDICT in " ".join(out.split())) == (source == "same videos")


def test_timing_is_there_only_when_given_with_its_machine(bring, tmp_path):
    assert bring("half", "--track-seconds", "8", "--hardware", "H200")[0] == 0
    assert record_of(tmp_path, "half").timing.track_seconds == 8
    code, _, err = bring("whole", "--track-seconds", "8")
    assert code == 2
    assert "--hardware" in err


def test_a_foreign_row_joins_the_table_of_our_runs(bring, vis_bench, tmp_path, data):
    for seed in (0, 1):
        store_run(tmp_path / "runs", data, "ours", seed, range(4 + seed))
    assert bring("half")[0] == 0
    code, out, _ = vis_bench("report", tmp_path / "runs", "-d", data, "--out", tmp_path / "report")
    assert code == 0
    text = " ".join(out.split())
    assert text.count("videos, masks") == 1, "one table"
    assert "protocol plain" in text
    assert "half: predictions made elsewhere" in text
    page = (tmp_path / "report/report.html").read_text()
    # tracks of both are in the viewer
    assert '"half, seed 0"' in page
    assert '"ours, seed 0"' in page


def test_rows_on_other_videos_do_not_join(bring, vis_bench, tmp_path):
    write_split(tmp_path / "other", "val", VIDEOS - 1)
    store_run(tmp_path / "runs", tmp_path / "other", "ours", 0, range(4))
    assert bring("half")[0] == 0
    code, out, _ = vis_bench("report", tmp_path / "runs", "--no-pictures", "--out", tmp_path / "report")
    assert code == 0
    assert " ".join(out.split()).count("videos, masks") == 2
    code, _, err = vis_bench("compare", "ours", "half", "--records", tmp_path / "runs")
    assert code == 5
    assert "annotation_hash" in err
    assert "protocol_hash" not in err


def test_compare_with_our_runs_as_one_fixed_checkpoint(bring, vis_bench, tmp_path, data):
    for seed in (0, 1):
        store_run(tmp_path / "runs", data, "ours", seed, range(4 + seed))
    assert bring("half", "--seed", "7")[0] == 0
    call = ("compare", "ours", "half", "--records", tmp_path / "runs", "-d", data)
    code, out, _ = vis_bench(*call, "--json", "-")
    assert code == 0
    found = json.loads(out)
    assert found["seeds"] == [0, 1]
    assert found["protocol"] == "plain"
    half = next(one for one in found["methods"] if one["name"] == "half")
    assert half["by_seed"] == {"0": pytest.approx(100 * 51 / 101), "1": pytest.approx(100 * 51 / 101)}
    assert any("one fixed checkpoint" in note for note in found["notes"])
    assert not any("another version" in note for note in found["notes"])


def test_compare_files(files, vis_bench, data):
    truth = data / "val/instances_val.json"
    call = ("compare", files["whole"], files["half"], "--truth", truth)
    code, out, _ = vis_bench(*call, "--json", "-")
    assert code == 0
    # files of one name are told apart by their folders
    assert [one["name"] for one in json.loads(out)["methods"]] == [str(files["whole"]), str(files["half"])]
    code, _, err = vis_bench("compare", files["whole"], files["whole"], "--truth", truth)
    assert code == 2
    assert "different files" in err


def test_compare_files_says_what_would_decide(files, vis_bench, data, tmp_path):
    truth = data / "val/instances_val.json"
    a, b = tmp_path / "a.json.gz", tmp_path / "b.json.gz"
    a.write_bytes(files["whole"].read_bytes())
    b.write_bytes(files["half"].read_bytes())
    code, out, _ = vis_bench("compare", a, b, "--truth", truth)
    assert code == 0
    text = " ".join(out.split())
    assert "fixed checkpoints" in text
    assert "such videos would decide" in text
    code, out, _ = vis_bench("compare", a, b, "--truth", truth, "--json", "-")
    (one,) = json.loads(out)["comparisons"]
    assert one["mean"] == pytest.approx(100 * 50 / 101)
    assert one["verdict"] == "undecided"
    # 3 of 6 videos differ: a few more are enough, six are not
    assert 6 < one["videos_needed"] < 40


def test_gate_holds_a_foreign_run(bring, vis_bench, tmp_path, data):
    assert bring("half")[0] == 0
    (folder,) = (path.parent for path in (tmp_path / "runs").rglob("record.json"))
    base = tmp_path / "base"
    assert vis_bench("gate", "--make", base, folder, "-d", data)[0] == 0
    assert vis_bench("gate", "--against", base)[0] == 0
    from vis_bench.files import read_json, write_json

    stored = next(base.rglob("record.json"))
    content = read_json(stored)
    content["metrics"]["video_ap"]["AP"] = 0.9
    write_json(stored, content)
    assert vis_bench("gate", "--against", base)[0] == 1


def test_explain_takes_the_imported_predictions(bring, vis_bench, tmp_path, data):
    assert bring("half")[0] == 0
    (file,) = (tmp_path / "runs").rglob(PREDICTIONS_NAME)
    code, out, _ = vis_bench("explain", file, "-d", data, "--split", "val", "--json", "-")
    assert code == 0
    assert json.loads(out)["errors"]["missed"] > 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--name", "a/b", "--truth", "t.json"), "--name"),
        (("--name", "a"), "--truth FILE"),
        (("--name", "a", "--truth", "t.json", "--split", "val"), "--split goes with --dataset"),
        (("--name", "a", "--truth", "t.json", "--paradigm", " "), "--paradigm"),
    ],
)
def test_refused(vis_bench, files, arguments, message):
    code, _, err = vis_bench("import", files["half"], *arguments)
    assert code == 2
    assert message in err


def test_foreign_truth_is_kept_in_our_format(vis_bench, files, data, tmp_path):
    source = data / "val/instances_val.json"
    assert vis_bench("data", "convert", source, tmp_path / "t.json", "--to", "coco-video")[0] == 0
    code, _, err = vis_bench(
        "import", files["half"], "--name", "half", "--truth", tmp_path / "t.json", "--out", tmp_path / "runs"
    )
    assert code == 0
    (copy,) = (tmp_path / "runs/truth").iterdir()
    assert str(copy) in err
    (file,) = (tmp_path / "runs").rglob(PREDICTIONS_NAME)
    assert vis_bench("explain", file)[0] == 0, "it is found where it was kept"
    record = record_of(tmp_path, "half")
    assert record.metrics["video_ap"]["AP"] == pytest.approx(51 / 101)


def test_a_refused_import_leaves_no_truth_behind(vis_bench, files, data, tmp_path):
    source = data / "val/instances_val.json"
    assert vis_bench("data", "convert", source, tmp_path / "t.json", "--to", "coco-video")[0] == 0
    (tmp_path / "broken.json").write_text('[{"video_id": 0, "category_id": 99}]')
    call = ("--name", "half", "--truth", tmp_path / "t.json", "--out", tmp_path / "runs")
    assert vis_bench("import", tmp_path / "broken.json", *call)[0] == 3
    assert not list((tmp_path / "runs").rglob("*.json"))
    # the truth of an import that succeeded stays, whatever comes after
    assert vis_bench("import", files["half"], *call)[0] == 0
    assert vis_bench("import", tmp_path / "broken.json", *call)[0] == 3
    assert len(list((tmp_path / "runs/truth").iterdir())) == 1


def test_a_split_without_truth_is_kept_and_shown(vis_bench, files, data, tmp_path):
    truth = data / "val/instances_val.json"
    content = json.loads(truth.read_text())
    del content["annotations"]
    truth.write_text(json.dumps(content))
    code, out, _ = vis_bench(
        "import", files["half"], "--name", "half", "-d", data, "--split", "val", "--out", tmp_path / "runs"
    )
    assert code == 0
    assert "not scored" in out
    record = record_of(tmp_path, "half")
    assert (record.status, record.metrics) == ("not scored", None)
    assert any("not public" in note for note in record.notes)
    code, _, _ = vis_bench("report", tmp_path / "runs", "-d", data, "--out", tmp_path / "report")
    assert code == 0
    page = (tmp_path / "report/report.html").read_text()
    index = json.loads(page.split('id="viewer-index">')[1].split("</script>")[0])
    assert index["truth"] is False
    assert index["runs"] == ["half, seed 0"]
    assert len(index["videos"]) == VIDEOS
