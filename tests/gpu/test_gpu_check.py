"""The check for a GPU, pretended on a CPU; and its arithmetic by hand."""

import json
import os
import signal
import subprocess
import sys
import time
import warnings
from collections import Counter
from pathlib import Path

import check
import numpy as np
import pytest
import torch
from check import EXIT_TIME_UP, EXIT_WRONG, Step, main, run_steps, summary
from check_steps import PROTOCOL_NAME, Scale, step_seconds
from full_protocol import full_text, speed_seconds
from sync_counts import counted_syncs
from track_agreement import Agreement, agreement, track_iou

from vis_bench.engine.speed.prepare import effort_of
from vis_bench.masks import rle
from vis_bench.records.speed import read_speed
from vis_bench.types import Track

CHECK = Path(__file__).with_name("check.py")
SCALE = Scale("tiny", "cpu", 2, 1, 3, None, "fp32", ("fp32",), 2, {"frames": 3})


@pytest.fixture(autouse=True)
def _own_lock(tmp_path, monkeypatch):
    # other tests may run jobs at the same time; the lock lies in the cache folder
    monkeypatch.setenv("VIS_BENCH_CACHE", str(tmp_path / "cache"))


def arguments(folder, methods):
    return ["--pretend", "--methods", methods, "--out", str(folder / "out"), "--work", str(folder / "work")]


@pytest.mark.slow
def test_the_whole_check_runs_through_on_a_cpu(tmp_path, capsys):
    """A method trained in two phases, and a clip-level one."""
    assert main(arguments(tmp_path, "inspro_lite,mask2former_vis")) == 0
    out = capsys.readouterr().out
    names = {path.name for path in (tmp_path / "out/inspro_lite").iterdir()}
    assert names == {
        "train.json", "step.json", "agreement.json", "loader.json", "stream-fp32.speed.json",
        "offline-fp32.speed.json",
    }  # fmt: skip
    trained = json.loads((tmp_path / "out/inspro_lite/train.json").read_text())
    assert (trained["status"], trained["pretended"], trained["batch_size"]) == ("done", True, 1)
    assert trained["step_seconds"] > 0
    assert trained["hardware"]["cpu"]
    assert PROTOCOL_NAME in {path.name for path in (tmp_path / "work").iterdir()}
    looked = json.loads((tmp_path / "out/mask2former_vis/step.json").read_text())
    assert (looked["shard_clips"], looked["training_syncs"], looked["peak_memory_bytes"]) == (1, None, None)
    record = read_speed(tmp_path / "out/mask2former_vis/offline-fp32.speed.json")
    assert record.protocol.short
    assert record.protocol.end_to_end_only
    assert record.weights.endswith("checkpoint.safetensors")
    assert "not audited, no stages: the measurement was not looked into" in record.notes
    assert "pretended: a CPU at tiny size" in record.notes
    beside = json.loads((tmp_path / "out/mask2former_vis/agreement.json").read_text())
    assert beside["with_the_cpu_in_fp32"]["fp32"]["mean_iou"] == 1.0
    assert "the full speed protocol of these 2 methods" in out
    assert "one seed of these 2 trainings on one device" in out


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="no signals")
def test_a_check_that_was_killed_goes_on(tmp_path, capsys):
    command = [sys.executable, str(CHECK), *arguments(tmp_path, "masktrack_rcnn")]
    first = tmp_path / "out/masktrack_rcnn/step.json"
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ)
    deadline = time.monotonic() + 120
    while not first.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    before = {path: path.read_bytes() for path in (tmp_path / "out").rglob("*.json")}
    assert first in before
    assert len(before) < 6
    assert main(arguments(tmp_path, "masktrack_rcnn")) == 0
    after = {path: path.read_bytes() for path in (tmp_path / "out").rglob("*.json")}
    assert len(after) == 6
    assert {path: after[path] for path in before} == before
    lines = capsys.readouterr().out.splitlines()
    # what was done is not timed again
    assert [line for line in lines if line.endswith("of 6)")][: len(before)] == lines[: len(before)]


def made_steps(folder, *acts):
    return [Step("train", f"m{n}", folder / f"{n}.json", act) for n, act in enumerate(acts)]


def test_a_step_that_fails_is_recorded_and_tried_again(tmp_path, capsys):
    calls = []

    def breaks():
        calls.append("breaks")
        raise RuntimeError("the toy broke")

    def works():
        calls.append("works")
        return {"value": 1}

    steps = made_steps(tmp_path, breaks, works)
    assert run_steps(steps, SCALE, True, minutes=1)
    record = json.loads((tmp_path / "0.json").read_text())
    assert (record["status"], record["error"]) == ("failed", "RuntimeError: the toy broke")
    assert "in breaks" in record["trace"]
    assert json.loads((tmp_path / "1.json").read_text())["value"] == 1
    assert run_steps(steps, SCALE, True, minutes=1)
    assert calls == ["breaks", "works", "breaks"]
    assert "the toy broke" in capsys.readouterr().out


def test_no_step_begins_that_would_end_too_late(tmp_path, capsys):
    def slow():
        time.sleep(0.2)
        return {}

    steps = made_steps(tmp_path, slow, slow, slow)
    # 0.3 s: the first ends at 0.2, a second would at 0.4
    assert not run_steps(steps, SCALE, True, minutes=0.3 / 60)
    assert len(list(tmp_path.glob("*.json"))) == 1
    assert "goes on from here" in capsys.readouterr().out
    assert (EXIT_WRONG, EXIT_TIME_UP) == (1, 3)


@pytest.mark.parametrize(
    ("method", "training", "tracking", "well"),
    [
        ("stc", 5, 6.0, True),
        ("stc", 6, 6.0, False),
        ("stc", 5, 6.25, False),
        # five for each of two frames, ten a frame
        ("masktrack_rcnn", 10, 10.0, True),
        ("masktrack_rcnn", 11, 10.0, False),
        # six a video and one a frame: 10 in four frames
        ("mask2former_vis", 5, 2.5, True),
        ("mask2former_vis", 5, 2.75, False),
        ("mask2former_vis", None, None, True),
    ],
)
def test_more_waits_than_the_tests_allow_are_wrong(method, training, tracking, well, tmp_path):
    step = Step("step", method, tmp_path / "step.json", dict)
    record = {
        "status": "done", "training_syncs": training, "tracking_syncs_per_frame": tracking, "frames": 4,
        "clip_frames": 2, "training_places": {"layers/roi.py:52": 1}, "tracking_places": {},
    }  # fmt: skip
    step.path.write_text(json.dumps(record))
    lines, found = summary([step], SCALE)
    assert found is well
    assert ("TOO MANY WAITS" in "".join(lines)) is not well


def test_a_check_with_too_many_waits_fails(tmp_path, monkeypatch):
    """The exit is that of a failure, and not only a line in the summary."""
    looked = {"training_syncs": 99, "clip_frames": 2, "training_places": {}}
    step = Step("step", "stc", tmp_path / "step.json", lambda: looked)
    monkeypatch.setattr(check, "all_steps", lambda *_: [step])
    assert main(arguments(tmp_path, "stc")) == EXIT_WRONG
    looked["training_syncs"] = 5
    step.path.unlink()
    assert main(arguments(tmp_path, "stc")) == 0


def track(label, score, *columns):
    """A track of one frame per entry, 1x4 pixels: those of the given columns are in its mask."""
    masks = []
    for chosen in columns:
        mask = np.zeros((1, 4), np.uint8)
        mask[0, list(chosen)] = 1
        masks.append(rle.encode_or_none(mask[None] > 0)[0])
    return Track(1, label, score, tuple(masks))


def test_agreement_by_hand():
    # 1 of 3 pixels in the first frame, 2 of 2 in the second; absent in one, so 1 of 1 is missed
    a, b = track(1, 0.9, (0, 1), (2, 3), ()), track(1, 0.8, (1, 2), (2, 3), (0,))
    assert track_iou(a, b) == pytest.approx(3 / 6)
    assert agreement([a], [b]) == Agreement((1, 1), 0.5, pytest.approx(0.1))
    # another class is no partner; weights are the CPU's scores
    other = track(2, 0.3, (0, 1), (2, 3), ())
    assert agreement([a, other], [a]).mean_iou == pytest.approx(0.9 / 1.2)
    assert agreement([], []).within("fp32")
    assert not agreement([a], []).within("bf16")
    assert agreement([a], [b]).within("fp32") is False


def test_the_full_protocol_is_counted_by_hand():
    effort = {"frames": 2000, "seconds": 60.0, "warm_up_seconds": 10.0}
    # 50 a second: 40 s a pass; 12 s to start, 10 of warm-up, three passes, six repeats; then 1,256 frames
    assert speed_seconds(50.0, effort) == pytest.approx(6 * (22 + 120) + 12 + 25.12)
    # 10 a second: 60 s end a pass
    assert speed_seconds(10.0, effort) == pytest.approx(6 * (22 + 180) + 12 + 125.6)
    lines = full_text({"a": 50.0, "b": 50.0}, {"a": (0.5, 7200)}, effort)
    assert lines[0].endswith("of these 2 methods, one precision: about 30 min")
    assert lines[1].startswith("one seed of these 1 trainings on one device: about 60 min")
    assert full_text({}, {}, effort_of("cuda", False)) == []


def test_steps_are_timed_between_lines_of_the_log():
    log = [{"iteration": 0, "seconds": 9.0}, {"iteration": 19, "seconds": 18.5}]
    assert step_seconds(log) == pytest.approx(0.5)
    assert step_seconds(log[:1]) is None


def test_synchronisations_are_counted_by_place(monkeypatch):
    modes = []
    monkeypatch.setattr(torch.cuda, "get_sync_debug_mode", lambda: 0)
    monkeypatch.setattr(torch.cuda, "set_sync_debug_mode", modes.append)
    with counted_syncs("cuda:0") as places:
        for line in (52, 52, 7):
            text = "called a synchronizing CUDA operation (Triggered internally)"
            warnings.warn_explicit(text, UserWarning, "/a/b/methods/layers/roi.py", line)
        warnings.warn_explicit("something else", UserWarning, "/a/b/c.py", 1)
    assert places == Counter({"layers/roi.py:52": 2, "layers/roi.py:7": 1})
    assert modes == ["warn", 0]
    with pytest.warns(UserWarning, match="synchronizing"), counted_syncs("cpu") as places:
        warnings.warn("called a synchronizing CUDA operation", stacklevel=1)
    assert places == Counter()
