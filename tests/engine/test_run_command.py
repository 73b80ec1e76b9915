"""`vis-bench run` from data on disk to record, with a method given as a file."""

import gzip
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from vis_bench.engine.training import loop as train_module

TOY = f"{Path(__file__).parent / 'toy_method.py'}:SPEC"


@pytest.fixture
def run(vis_bench, squares, protocol, tmp_path):
    def call(*extra, methods=TOY, dataset=squares):
        return vis_bench(
            "run", "--methods", methods, "--dataset", dataset, "--protocol", protocol,
            "--out", tmp_path / "runs", "--jobs", 1, *extra,
        )  # fmt: skip

    return call


def only_record(tmp_path):
    (path,) = tmp_path.glob("runs/squares-val/**/record.json")
    return json.loads(path.read_text()), path.parent


def test_a_run_leaves_record_predictions_log_and_checkpoint(run, tmp_path):
    code, out, _ = run("--json", tmp_path / "records.json")
    assert code == 0
    record, folder = only_record(tmp_path)
    assert json.loads((tmp_path / "records.json").read_text()) == [record]
    assert (record["method"], record["config"], record["status"]) == ("toy", "default", "done")
    assert (record["seed"], record["split"], record["iou_type"]) == (0, "val", "segm")
    assert record["look_ahead_frames"] == 0
    assert record["data"]["videos"] == 2
    assert record["train_data"]["split"] == "train"
    assert record["parameters"] == {"total": 28, "trainable": 28}
    assert set(record["metrics"]) == {
        *("video_ap", "per_category", "frame_ap", "mot", "hota", "errors"),
        *("operating_point", "duplicates_per_100"),
    }
    # two videos are too few to halve
    assert record["operating_point"]["source"] == "same videos"
    predictions = json.loads(gzip.decompress((folder / "predictions.json.gz").read_bytes()))
    assert [entry["video_id"] for entry in predictions] == [0, 1]
    assert {len(entry["segmentations"]) for entry in predictions} == {4}
    log = [json.loads(line) for line in (folder / "train.jsonl").read_text().splitlines()]
    assert [line["iteration"] for line in log] == [0, 5]
    assert set(load_file(folder / "checkpoint.safetensors")) == {"filter.weight", "filter.bias"}
    assert "toy" in out


def test_json_on_stdout_is_the_only_thing_there(run):
    code, out, err = run("--json", "-")
    assert code == 0
    assert json.loads(out)[0]["method"] == "toy"
    assert "AP50" in err


def test_second_call_reuses_and_fresh_recomputes_elsewhere(run, tmp_path):
    run()
    _, folder = only_record(tmp_path)
    before = (folder / "record.json").stat().st_mtime_ns
    code, _, err = run()
    assert code == 0
    assert "cached" in err
    assert (folder / "record.json").stat().st_mtime_ns == before
    assert run("--fresh")[0] == 0
    assert (folder / "record.json").stat().st_mtime_ns == before
    assert len(list(tmp_path.glob("runs/squares-val/**/record.json"))) == 2


def test_another_setting_is_another_run(run, tmp_path):
    run()
    code, _, err = run("--set", "train.lr=0.01")
    assert code == 0
    assert "cached" not in err
    records = [json.loads(p.read_text()) for p in tmp_path.glob("runs/squares-val/**/record.json")]
    assert sorted(r["config_values"]["train"]["lr"] for r in records) == [0.01, 0.05]
    assert sorted(len(r["overrides"]) for r in records) == [0, 1]


def test_an_interrupted_training_ends_like_an_undisturbed_one(run, tmp_path, monkeypatch):
    """Noise from torch's generator, flips and the video order all have to continue where they stopped."""
    setting = ("--set", "noise=0.3")
    real_step = train_module.train_step
    calls = []

    def stop_in_the_fifth(*arguments):
        calls.append(1)
        if len(calls) == 5:
            raise KeyboardInterrupt
        return real_step(*arguments)

    monkeypatch.setattr(train_module, "train_step", stop_in_the_fifth)
    code, _, err = run(*setting)
    assert code == 130
    assert "goes on from here" in err
    assert list(tmp_path.glob("runs/trained/*/resume.pt"))
    monkeypatch.setattr(train_module, "train_step", real_step)
    assert run(*setting)[0] == 0
    resumed, folder = only_record(tmp_path)
    assert not list(tmp_path.glob("runs/trained/*/resume.pt"))
    assert run(*setting, "--fresh")[0] == 0
    folders = [p.parent for p in tmp_path.glob("runs/squares-val/**/record.json")]
    (other,) = [place for place in folders if place != folder]
    first, second = (load_file(place / "checkpoint.safetensors") for place in (folder, other))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert len(calls) == 5
    assert json.loads((other / "record.json").read_text())["metrics"] == resumed["metrics"]


def test_seeds_differ_and_are_recorded(run, tmp_path):
    assert run("--seeds", "0,3")[0] == 0
    records = [json.loads(p.read_text()) for p in tmp_path.glob("runs/squares-val/**/record.json")]
    assert sorted(record["seed"] for record in records) == [0, 3]
    assert len({record["checkpoint_hash"] for record in records}) == 2
    assert len({record["axis_seeds"]["init"] for record in records}) == 2


def test_a_failing_method_is_reported_and_the_other_finishes(run, tmp_path, squares):
    broken = squares.parent / "broken.py"
    source = Path(TOY.rpartition(":")[0]).read_text()
    broken.write_text(
        source.replace('name="toy"', 'name="broken"').replace(
            "fail_on_frame: int = -1", "fail_on_frame: int = 2"
        )
    )
    code, _, err = run(methods=f"{broken}:SPEC,{TOY}")
    assert code == 4
    assert "the toy broke" in err
    records = [json.loads(p.read_text()) for p in tmp_path.glob("runs/squares-val/**/record.json")]
    status = {record["method"]: (record["status"], record["error"]) for record in records}
    assert status == {"toy": ("done", None), "broken": ("failed", "RuntimeError: the toy broke")}


def test_a_failed_run_is_tried_again(run, tmp_path):
    assert run("--set", "fail_on_frame=1")[0] == 4
    code, _, err = run("--set", "fail_on_frame=1")
    assert code == 4
    assert "cached" not in err


def test_reading_ahead_is_measured_whatever_a_method_says(run, tmp_path):
    assert run("--set", "read_ahead=2")[0] == 0
    record, _ = only_record(tmp_path)
    assert record["look_ahead_frames"] == 2
    assert any("reads 2 frames ahead" in note for note in record["notes"])


def test_weights_are_scored_without_training(run, tmp_path, squares):
    run()
    trained, folder = only_record(tmp_path)
    out = tmp_path / "other"
    code, _, _ = run("--weights", folder / "checkpoint.safetensors", "--no-train", "--out", out)
    assert code == 0
    (path,) = out.glob("squares-val/**/record.json")
    record = json.loads(path.read_text())
    assert record["metrics"] == trained["metrics"]
    assert record["train_data"] is None
    assert record["timing"]["train_seconds"] is None
    assert "not trained: --no-train" in record["notes"]


def test_a_checkpoint_of_something_else_is_refused(run, tmp_path):
    torch.save({"state_dict": {"filter.weight": torch.zeros(1, 3, 5, 5)}}, tmp_path / "odd.pth")
    code, _, err = run("--weights", tmp_path / "odd.pth", "--no-train")
    assert code == 4
    assert "does not fit toy" in err
    assert "filter.bias" in err


def test_a_split_without_truth_is_tracked_and_not_scored(run, tmp_path, squares):
    path = squares / "val" / "instances_val.json"
    payload = json.loads(path.read_text())
    del payload["annotations"]
    path.write_text(json.dumps(payload))
    code, out, _ = run("--split", "val")
    assert code == 0
    record, folder = only_record(tmp_path)
    assert (record["status"], record["metrics"]) == ("not scored", None)
    assert (folder / "predictions.json.gz").exists()
    assert "not scored" in out


def test_limit_keeps_the_first_videos_and_changes_the_identity(run, tmp_path):
    assert run("--limit", 1)[0] == 0
    assert run()[0] == 0
    records = [json.loads(p.read_text()) for p in tmp_path.glob("runs/squares-val/**/record.json")]
    assert sorted(record["data"]["videos"] for record in records) == [1, 2]
    assert len({record["data"]["split_hash"] for record in records}) == 2
    # the report of all videos is not replaced by one of the first
    assert len(list(tmp_path.glob("runs/report/*/report.md"))) == 2


def test_weights_are_shared_between_the_datasets_they_are_evaluated_on(run, tmp_path):
    assert run("--limit", 1)[0] == 0
    assert run()[0] == 0
    assert len(list(tmp_path.glob("runs/trained/*/checkpoint.safetensors"))) == 1


def test_two_names_for_the_same_values_are_two_rows_and_one_training(run, tmp_path):
    plugin = tmp_path / "twice.py"
    text = Path(TOY.rpartition(":")[0]).read_text()
    plugin.write_text(text.replace('{"default": ToyConfig()}', '{"one": ToyConfig(), "two": ToyConfig()}'))
    code, out, _ = run(methods=f"{plugin}:SPEC@one,{plugin}:SPEC@two")
    assert code == 0
    assert "toy@one" in out
    assert "toy@two" in out
    records = [json.loads(p.read_text()) for p in tmp_path.glob("runs/squares-val/**/record.json")]
    assert sorted(record["config"] for record in records) == ["one", "two"]
    assert len({record["checkpoint_hash"] for record in records}) == 1
    assert len(list(tmp_path.glob("runs/trained/*"))) == 1


def test_weights_from_another_device_say_so(run, tmp_path):
    """They are shared, but the seconds beside the device that tracks are those of the one that trained."""
    assert run("--limit", 1)[0] == 0
    first, _ = only_record(tmp_path)
    (here,) = first["timing"]["train_devices"]
    assert here == first["hardware"]["cpu"]
    (log,) = tmp_path.glob("runs/trained/*/train.jsonl")
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert {line["device"] for line in lines} == {here}
    lines[0]["device"] = "Another GPU"
    log.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert run()[0] == 0
    records = [json.loads(p.read_text()) for p in tmp_path.glob("runs/squares-val/**/record.json")]
    (second,) = [record for record in records if record["data"]["videos"] == 2]
    assert second["timing"]["train_devices"] == ["Another GPU", here]
    assert second["timing"]["train_seconds"] == first["timing"]["train_seconds"]
    assert f"trained on Another GPU, then {here}; tracked on {here}" in second["notes"]
    assert not any("trained on" in note for note in first["notes"])


def test_dry_run_prints_the_plan_and_makes_nothing(run, tmp_path):
    code, _, err = run("--dry-run")
    assert code == 0
    assert "to do" in err
    assert not (tmp_path / "runs").exists()


@pytest.mark.slow
def test_jobs_side_by_side_give_the_same_numbers(run, tmp_path):
    """Also for a method that starts processes of its own."""
    helpers = ("--set", "helpers=1")
    assert run("--seeds", "0,", *helpers)[0] == 0
    assert run("--seeds", "1,", *helpers)[0] == 0
    alone = {r["seed"]: r for r in map(_load, tmp_path.glob("runs/squares-val/**/record.json"))}
    assert run("--seeds", "2", "--jobs", 2, "--out", tmp_path / "both", *helpers)[0] == 0
    both = {r["seed"]: r for r in map(_load, tmp_path.glob("both/squares-val/**/record.json"))}
    for seed in (0, 1):
        assert both[seed]["checkpoint_hash"] == alone[seed]["checkpoint_hash"]
        assert both[seed]["metrics"] == alone[seed]["metrics"]


@pytest.mark.slow
def test_a_job_that_dies_is_a_failed_run_and_no_hang(run, tmp_path):
    """One after the other too: the second has its turn."""
    code, _, err = run("--seeds", "2", "--jobs", 1, "--set", "die_on_frame=1")
    assert code == 4
    records = [_load(path) for path in tmp_path.glob("runs/squares-val/**/record.json")]
    assert [record["status"] for record in records] == ["failed", "failed"]
    # one cause is told once, with the runs that it ended
    assert err.count("exit code 9") == 1
    assert "toy_method@default seed 0, toy_method@default seed 1 failed" in " ".join(err.split())


def _load(path):
    return json.loads(path.read_text())
