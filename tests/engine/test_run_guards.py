"""What `vis-bench run` refuses because the number would be wrong: leaks, mixed classes, broken output."""

import json
from pathlib import Path

import pytest
import torch
from PIL import ExifTags, Image
from safetensors.torch import save_file

from vis_bench.engine.process.lock import locked
from vis_bench.errors import MethodError

TOY = f"{Path(__file__).parent / 'toy_method.py'}:SPEC"


@pytest.fixture
def run(vis_bench, squares, protocol, tmp_path):
    def call(*extra, methods=TOY, out=tmp_path / "runs"):
        return vis_bench(
            "run", "--methods", methods, "--dataset", squares, "--protocol", protocol, "--out", out,
            "--jobs", 1, *extra,
        )  # fmt: skip

    return call


def annotation(squares: Path, split: str) -> Path:
    return squares / split / f"instances_{split}.json"


def test_videos_that_were_trained_on_are_not_scored(run, tmp_path):
    code, out, err = run("--split", "train")
    assert code == 3
    assert "3 of the 3 videos of squares train would be trained on and scored (train0, train1, train2)" in err
    assert "--no-train" in err
    assert not out
    assert not (tmp_path / "runs").exists()


def copy_of_a_training_video(squares: Path) -> None:
    """The scored set gets a copy of a training video, under another name and annotation."""
    for source in (squares / "train/JPEGImages/train1").iterdir():
        (squares / "val/JPEGImages/val0" / source.name).write_bytes(source.read_bytes())


def test_a_copied_video_is_found_by_its_pictures(run, squares, tmp_path):
    copy_of_a_training_video(squares)
    code, _, err = run()
    assert code == 3
    assert "1 of the 2 videos of squares val would be trained on and scored (val0)" in err
    assert not (tmp_path / "runs").exists()


def test_overlap_that_is_allowed_is_noted_in_the_record(run, squares, tmp_path):
    copy_of_a_training_video(squares)
    code, _, err = run("--allow-overlap")
    assert code == 0
    note = "1 of 2 scored videos were trained on (val0): --allow-overlap"
    assert f"vis-bench: warning: {note}" in err
    (record,) = tmp_path.glob("runs/squares-val/**/record.json")
    assert note in json.loads(record.read_text())["notes"]


@pytest.mark.parametrize("split", ["train", "val"])
def test_frames_that_are_turned_by_a_tag_are_refused_before_any_work(run, squares, tmp_path, split):
    turned = Image.Exif()
    turned[ExifTags.Base.Orientation] = 3
    for path in (squares / split / "JPEGImages").rglob("*.jpg"):
        with Image.open(path) as image:
            image.load()
        image.save(path, exif=turned)
    code, _, err = run()
    assert code == 3
    assert "has the EXIF orientation 3" in err
    assert not list(tmp_path.rglob("checkpoint.safetensors"))


@pytest.mark.parametrize("objects", ["none", "crowds", "empty masks"])
def test_training_on_nothing_is_refused_before_it_starts(run, squares, tmp_path, objects):
    path = annotation(squares, "train")
    payload = json.loads(path.read_text())
    for entry in payload["annotations"]:
        if objects == "crowds":
            entry["iscrowd"] = 1
        else:
            entry["segmentations"] = [None] * 4
    payload["annotations"] = [] if objects == "none" else payload["annotations"]
    path.write_text(json.dumps(payload))
    code, _, err = run()
    assert code == 3
    assert "squares train: there is no object to learn from" in err
    assert ("no annotation" if objects == "none" else "3 annotations, all of them crowds") in err
    assert not (tmp_path / "runs").exists()


def test_classes_without_a_training_object_are_warned_of(run, squares):
    for split in ("train", "val"):
        path = annotation(squares, split)
        payload = json.loads(path.read_text())
        payload["categories"] += [{"id": 1 + n, "name": name} for n, name in enumerate("abcd")]
        path.write_text(json.dumps(payload))
    code, _, err = run()
    assert code == 0
    assert (
        "warning: 4 of 5 classes never occur in squares train and cannot be learnt: a, b, c and 1 more" in err
    )


@pytest.mark.parametrize("value", ["0", "-3"])
def test_a_training_without_a_step_is_refused(run, value):
    code, _, err = run("--set", f"train.iterations={value}")
    assert code == 2
    assert f"train.iterations is {value}, at least 1 is needed" in err


def test_a_trained_checkpoint_may_be_scored_on_the_training_videos(run, tmp_path):
    assert run()[0] == 0
    (checkpoint,) = tmp_path.glob("runs/trained/*/checkpoint.safetensors")
    assert run("--split", "train", "--weights", checkpoint, "--no-train")[0] == 0


@pytest.mark.parametrize("change", [{"id": 7, "name": "square"}, {"id": 0, "name": "circle"}])
def test_train_and_evaluated_categories_must_agree(run, squares, change):
    path = annotation(squares, "val")
    payload = json.loads(path.read_text())
    payload["categories"] = [change]
    for entry in payload["annotations"]:
        entry["category_id"] = change["id"]
    path.write_text(json.dumps(payload))
    code, _, err = run()
    assert code == 3
    assert "different categories" in err


def test_one_method_named_twice_runs_once(run, tmp_path):
    assert run(methods=f"{TOY},{TOY}@default")[0] == 0
    assert len(list(tmp_path.glob("runs/squares-val/**/record.json"))) == 1


def test_a_score_that_is_no_number_fails_the_run_by_name(run, tmp_path):
    plugin = tmp_path / "nan_method.py"
    text = Path(TOY.rpartition(":")[0]).read_text()
    plugin.write_text(text.replace("VideoInstance(0, 0.5,", 'VideoInstance(0, float("nan"),'))
    code, _, err = run(methods=f"{plugin}:SPEC")
    assert code == 4
    assert "scores must be finite" in err


def test_masks_of_another_size_fail_the_run_by_name(run, tmp_path):
    plugin = tmp_path / "small_method.py"
    text = Path(TOY.rpartition(":")[0]).read_text()
    plugin.write_text(text.replace("(logits > 0).numpy()", "(logits == logits).numpy()[:, ::2, ::2]"))
    code, _, err = run(methods=f"{plugin}:SPEC")
    assert code == 4
    assert "a mask of size [12, 16], frames are [24, 32]" in err


@pytest.mark.parametrize("name", ["junk.safetensors", "junk.pt"])
def test_a_damaged_checkpoint_is_a_data_error(run, tmp_path, name):
    (tmp_path / name).write_bytes(b"not a checkpoint at all")
    code, _, err = run("--weights", tmp_path / name, "--no-train")
    assert code == 3
    assert name in err
    assert "Traceback" not in err


def test_the_checkpoint_of_another_method_is_refused(run, tmp_path):
    save_file({"head.weight": torch.zeros(2)}, tmp_path / "other.safetensors")
    code, _, err = run("--weights", tmp_path / "other.safetensors", "--no-train")
    assert code == 4
    assert "does not fit toy" in err


def test_a_folder_that_cannot_be_written_is_found_before_training(run, tmp_path):
    (tmp_path / "file").write_text("in the way")
    code, _, err = run(out=tmp_path / "file" / "runs")
    assert code == 2
    assert str(tmp_path / "file") in err


def test_a_run_directory_has_one_writer(tmp_path):
    with locked(tmp_path), pytest.raises(MethodError, match="another vis-bench process"), locked(tmp_path):
        pass
    with locked(tmp_path):
        pass


def test_a_rerun_after_a_failure_leaves_no_old_error(run, tmp_path):
    code, _, _ = run("--set", "fail_on_frame=2")
    assert code == 4
    assert run()[0] == 0
    failed = list(tmp_path.glob("runs/squares-val/**/error.txt"))
    assert len(failed) == 1
    assert "the toy broke" in failed[0].read_text()


def test_an_empty_list_of_metrics_is_refused(vis_bench, squares, tmp_path):
    results = tmp_path / "results.json"
    results.write_text("[]")
    code, _, err = vis_bench("eval", results, "--truth", annotation(squares, "val"), "--metrics", ",")
    assert code == 2
    assert "--metrics" in err
