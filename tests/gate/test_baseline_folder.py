"""What `gate --make` may remove, what a baseline may name, and what a killed call leaves."""

import json
import shutil
from pathlib import Path

import pytest
from gate_samples import make_run
from square_videos import write_split

from vis_bench.data import catalog
from vis_bench.errors import DataError, UsageError
from vis_bench.gate import baseline as module
from vis_bench.gate.baseline import make_baseline, read_baseline


@pytest.fixture
def dataset(tmp_path):
    write_split(tmp_path / "squares", "val", 2)
    return catalog.open_dataset(str(tmp_path / "squares"), "val")


@pytest.fixture
def made(dataset, tmp_path):
    """A baseline of one run, and that run."""
    run = make_run(tmp_path / "run", dataset)
    make_baseline(tmp_path / "baseline", [run], str(tmp_path / "squares"))
    return tmp_path / "baseline", run


def name_folder(baseline: Path, folder: str) -> None:
    path = baseline / "baseline.json"
    value = json.loads(path.read_text())
    value["runs"][0]["folder"] = folder
    path.write_text(json.dumps(value))


@pytest.mark.parametrize("folder", ["../victim", ".", "", "a/../../victim", "stc@tiny-seed-0/../..", "a\0b"])
def test_a_baseline_names_no_folder_outside(made, tmp_path, folder):
    baseline, run = made
    shutil.copytree(run, tmp_path / "victim")
    name_folder(baseline, folder)
    with pytest.raises(DataError, match="does not lie below"):
        read_baseline(baseline)
    with pytest.raises(DataError, match="does not lie below"):
        make_baseline(baseline, [run])
    assert (tmp_path / "victim" / "record.json").is_file()


def test_a_baseline_names_no_absolute_folder_and_no_link_to_one(made, tmp_path):
    baseline, run = made
    shutil.copytree(run, tmp_path / "victim")
    name_folder(baseline, str(tmp_path / "victim"))
    with pytest.raises(DataError, match="does not lie below"):
        read_baseline(baseline)
    (baseline / "link").symlink_to(tmp_path / "victim")
    name_folder(baseline, "link")
    with pytest.raises(DataError, match="does not lie below"):
        make_baseline(baseline, [run])
    assert (tmp_path / "victim" / "record.json").is_file()


@pytest.mark.parametrize("place", ["notes.txt", "stc@tiny-seed-0/notes.txt", "other/record.json"])
def test_what_no_baseline_has_is_not_removed(made, place):
    baseline, run = made
    (baseline / place).parent.mkdir(exist_ok=True)
    (baseline / place).write_text("mine")
    with pytest.raises(UsageError, match="is in the way"):
        make_baseline(baseline, [run])
    assert (baseline / place).read_text() == "mine"


@pytest.mark.parametrize("moment", ["copy", "write", "out of the way", "into place", "clean up"])
def test_a_call_that_is_killed_leaves_the_old_or_the_new_baseline(
    made, dataset, tmp_path, monkeypatch, moment
):
    baseline, _ = made
    new = make_run(tmp_path / "new", dataset, seed=7)

    def killed(*_args, **_kwargs):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        if moment == "copy":
            patch.setattr(module.shutil, "copyfile", killed)
        elif moment == "write":
            patch.setattr(module, "write_json", killed)
        elif moment == "clean up":
            patch.setattr(module.shutil, "rmtree", killed)
        else:
            rename, count = Path.rename, iter(["out of the way", "into place"])
            patch.setattr(Path, "rename", lambda *args: killed() if next(count) == moment else rename(*args))
        with pytest.raises(KeyboardInterrupt):
            make_baseline(baseline, [new])
    _, runs = read_baseline(baseline)
    seeds = [run.record.seed for run in runs]
    assert seeds == ([7] if moment in ("into place", "clean up") else [0])
    make_baseline(baseline, [new])
    assert [run.record.seed for run in read_baseline(baseline)[1]] == [7]
    assert not list(tmp_path.glob(".baseline*"))


def test_a_writer_that_was_killed_in_the_new_folder_is_in_nobody_s_way(made):
    baseline, run = made
    staged = baseline.with_name(".baseline.vis-bench-new") / "stc@tiny-seed-0"
    staged.mkdir(parents=True)
    (staged / ".record.json.4711-0-x.tmp").write_text("{")
    (staged.parent / ".baseline.json.4711-0-x.tmp").write_text("{")
    make_baseline(baseline, [run])
    assert not staged.parent.exists()
    # what is not ours still is
    (staged.parent / "thesis").mkdir(parents=True)
    (staged.parent / "thesis" / "chapter.tex").write_text("years")
    with pytest.raises(UsageError, match=r"chapter\.tex: is in the way"):
        make_baseline(baseline, [run])


@pytest.mark.parametrize(
    "path",
    [("video_ap",), ("video_ap", "AP75"), ("mot",), ("mot", "class_agnostic", "0.3", "IDs"), ("hota",)],
)
def test_a_record_without_a_number_that_the_gate_is_for_is_no_baseline(made, path):
    baseline, _ = made
    record = baseline / "stc@tiny-seed-0" / "record.json"
    value = json.loads(record.read_text())
    part = value["metrics"]
    for key in path[:-1]:
        part = part[key]
    del part[path[-1]]
    record.write_text(json.dumps(value))
    with pytest.raises(DataError, match=rf"record\.json: has no number metrics\.{path[0]}"):
        read_baseline(baseline)


def test_a_method_s_name_makes_no_path(dataset, tmp_path):
    run = make_run(tmp_path / "run", dataset)
    value = json.loads((run / "record.json").read_text())
    value["config"] = "../../x"
    (run / "record.json").write_text(json.dumps(value))
    (run / "frames.jsonl.gz").unlink()
    make_baseline(tmp_path / "deep" / "baseline", [run], str(tmp_path / "squares"))
    (entry,) = [path for path in (tmp_path / "deep" / "baseline").iterdir() if path.is_dir()]
    assert entry.name.startswith("stc@.._.._x-seed-0-")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["deep", "run", "squares"]
