"""Where the truth of an import lies is told once; where it has gone, every command says the same."""

import json
import shutil

import pytest
from square_videos import write_split
from stored_runs import store_run

from vis_bench.data.remembered_truth import TRUTH_NAME
from vis_bench.records.run import PREDICTIONS_NAME

VIDEOS = 6
FOUND = {"whole": range(VIDEOS), "half": range(3)}


@pytest.fixture
def truth(tmp_path):
    write_split(tmp_path / "six", "val", VIDEOS)
    return tmp_path / "six/val/instances_val.json"


@pytest.fixture
def imported(vis_bench, tmp_path, truth):
    """The run directories of two imports, by name."""
    return bring(vis_bench, tmp_path, "--truth", truth)


def bring(vis_bench, tmp_path, *told):
    folders = {}
    for name, found in FOUND.items():
        made = store_run(tmp_path / "made", tmp_path / "six", name, 0, found)
        call = ("--name", name, *told, "--out", tmp_path / "runs")
        assert vis_bench("import", made / PREDICTIONS_NAME, *call)[0] == 0
        (folders[name],) = (path.parent for path in (tmp_path / "runs").rglob(f"{name}-seed-*/record.json"))
    return folders


@pytest.fixture
def commands(vis_bench, tmp_path, imported):
    """Every command that needs the truth, without a word on where it lies."""
    base = tmp_path / "base"
    made = vis_bench("gate", "--make", base, *imported.values())
    assert made[0] == 0, made
    return {
        "compare": ("compare", "whole", "half", "--records", tmp_path / "runs"),
        "gate": ("gate", "--against", base),
        "make": ("gate", "--make", tmp_path / "another", *imported.values()),
        "explain": ("explain", imported["half"] / PREDICTIONS_NAME),
        "report": ("report", tmp_path / "runs", "--out", tmp_path / "report"),
    }


def test_told_once(commands, vis_bench, tmp_path):
    for name, call in commands.items():
        code, out, err = vis_bench(*call)
        assert (name, code, "vis-bench:" in err) == (name, 0, False), (out, err)
    page = (tmp_path / "report/report.html").read_text()
    assert '"half, seed 0"' in page


@pytest.mark.parametrize("change", ["gone", "changed"])
def test_one_error_for_one_cause(commands, vis_bench, truth, tmp_path, change):
    kept = tmp_path / "elsewhere.json"
    shutil.copy(truth, kept)
    if change == "gone":
        truth.unlink()
    else:
        content = json.loads(truth.read_text())
        truth.write_text(json.dumps({**content, "annotations": content["annotations"][:-1]}))
    for name, call in commands.items():
        code, _, err = vis_bench(*call)
        text = " ".join(err.split())
        # tables need no truth, and are all there
        assert (name, code) == (name, 0 if name == "report" else 3)
        assert "The truth of instances_val val is needed to score the predictions again" in text
        assert str(truth) in text
        assert ("no such file" if change == "gone" else "have changed") in text
        option = "--truth" if name == "explain" else "--dataset"
        assert f"said with {option} " in text
        if name != "make":
            code, _, err = vis_bench(*call, option, kept)
            assert (name, code, "vis-bench:" in err) == (name, 0, False), err


def test_importing_again_repairs(imported, vis_bench, truth, tmp_path):
    moved = truth.rename(tmp_path / truth.name)
    call = ("explain", imported["half"] / PREDICTIONS_NAME)
    code, _, err = vis_bench(*call)
    assert code == 3
    assert "by importing the predictions again with the truth under the same file name" in " ".join(
        err.split()
    )
    (made,) = (tmp_path / "made").glob(f"half@*/{PREDICTIONS_NAME}")
    again = vis_bench("import", made, "--name", "half", "--truth", moved, "--out", tmp_path / "runs")
    assert again[0] == 0
    assert again[2].startswith("cached")
    assert vis_bench(*call)[0] == 0


def test_runs_that_moved_with_their_truth_are_found(vis_bench, truth, imported, tmp_path):
    (tmp_path / "new").mkdir()
    for name in ("six", "runs"):
        (tmp_path / name).rename(tmp_path / "new" / name)
    assert vis_bench("compare", "whole", "half", "--records", tmp_path / "new/runs")[0] == 0


def test_a_data_set_by_its_path_is_remembered_too(vis_bench, truth, tmp_path):
    bring(vis_bench, tmp_path, "-d", tmp_path / "six", "--split", "val")
    assert vis_bench("compare", "whole", "half", "--records", tmp_path / "runs")[0] == 0


def test_an_import_of_before_is_told_as_ever(vis_bench, imported, truth, tmp_path):
    for folder in imported.values():
        (folder / TRUTH_NAME).unlink()
    call = ("compare", "whole", "half", "--records", tmp_path / "runs")
    code, _, err = vis_bench(*call)
    assert code == 3
    assert "--dataset PATH" in err
    assert vis_bench(*call, "-d", truth)[0] == 0


def test_a_damaged_memory_is_named(vis_bench, imported):
    (imported["half"] / TRUTH_NAME).write_text('{"places": []}')
    code, _, err = vis_bench("explain", imported["half"] / PREDICTIONS_NAME)
    assert code == 3
    assert TRUTH_NAME in err


def test_a_truth_beside_predictions_is_not_taken_for_a_memory(vis_bench, truth, tmp_path):
    shutil.copy(truth, tmp_path / "truth.json")
    (tmp_path / "results.json").write_text("[]")
    code, _, err = vis_bench("explain", tmp_path / "results.json")
    assert code == 2
    assert "--truth FILE" in err
