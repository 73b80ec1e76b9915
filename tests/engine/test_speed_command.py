"""`vis-bench speed` as it is called: processes, records, what is kept, exit codes."""

import json
import pickle
from contextlib import nullcontext
from pathlib import Path

import pytest

from vis_bench.engine.executors.unit_work import call, remote_devices
from vis_bench.engine.process.busy import machine_shared
from vis_bench.records.speed import read_speed

TOYS = Path(__file__).parent / "speed_toys.py"


@pytest.fixture
def speed(vis_bench, squares, tmp_path, monkeypatch):
    """`code, out, err = speed("SLEEPER,BREAKS", "--repeats", 1)`: 8 frames of two videos, marked short."""
    # other tests may run jobs at the same time; the lock lies in the cache folder
    monkeypatch.setenv("VIS_BENCH_CACHE", str(tmp_path / "cache"))

    def measure(names, *extra):
        return vis_bench(
            "speed", "--methods", ",".join(f"{TOYS}:{name}" for name in names.split(",")),
            "--dataset", squares, "--split", "val", "--out", tmp_path / "speed", *extra,
        )  # fmt: skip

    return measure


def stored(tmp_path, method, scenario="stream"):
    (path,) = tmp_path.glob(f"speed/squares-val/cpu/{method}@*/{scenario}.speed.json")
    return read_speed(path)


SHORT = ("--short", "--frames", 20, "--scenario", "stream")


class OneWorker:
    """A stand-in for an engine: what is to be done is pickled there, its result back."""

    def __init__(self):
        self.asked = []

    def devices(self, device, devices):
        return remote_devices(device, devices, has_gpus=False)

    def working(self):
        return nullcontext()

    def call(self, function, arguments, label):
        self.asked.append(label)
        return pickle.loads(pickle.dumps(call(*pickle.loads(pickle.dumps((function, arguments))))))


@pytest.mark.slow
def test_a_measurement_that_an_executor_places_is_one_unit_with_the_records_of_this_machine(
    speed, tmp_path, monkeypatch
):
    place = OneWorker()
    monkeypatch.setattr("vis_bench.engine.executors.choose.open_executor", lambda *_: place)
    code, out, err = speed("SLEEPER,BREAKS", *SHORT, "--repeats", 1, "--executor", "ray")
    assert (code, len(place.asked)) == (4, 1)
    assert stored(tmp_path, "sleeper").status == "done"
    assert "the toy broke" in out
    assert "measuring" in err
    # what an executor is not asked for: a plan
    assert speed("SLEEPER", *SHORT, "--repeats", 1, "--executor", "ray", "--dry-run")[0] == 0
    # what is wrong is said as on this machine
    code, _, err = speed("SLEEPER@nowhere", *SHORT, "--executor", "ray")
    assert code == 2
    assert "nowhere" in err
    assert len(place.asked) == 2


@pytest.mark.slow
def test_a_method_that_fails_does_not_end_the_others(speed, tmp_path):
    code, out, err = speed("SLEEPER,BREAKS", *SHORT, "--repeats", 2)
    assert code == 4
    done = stored(tmp_path, "sleeper")
    assert (done.status, done.frames, done.videos, len(done.repeats)) == ("done", 20, 2, 2)
    assert [audit.ok for audit in done.audits] == [True, True]
    assert done.parameters == {"total": 3, "trainable": 3}
    assert done.weights == "random"
    assert any("random weights: 1.0 objects" in note for note in done.notes)
    assert done.repeats[0].memory["peak_bytes"] > 50e6
    assert done.hardware["cpu"]
    assert done.stages is not None
    assert done.stages.seconds["backbone"] >= 20 * 0.002 * 0.4
    broken = stored(tmp_path, "breaks")
    assert (broken.status, broken.error) == ("failed", "RuntimeError: the toy broke")
    assert "the toy broke" in out
    assert "SHORT" in out
    order = [line.split()[1:4] for line in err.splitlines() if line.startswith("measuring")]
    # one repeat of every method before the second of any
    assert order[:2] == [["sleeper@tiny", "stream", "1"], ["breaks@tiny", "stream", "1"]]
    # nothing is known before the first process has ended
    assert "sleeper@tiny stream 1 (1 of 6)" in err
    assert "breaks@tiny stream 1 (2 of 6, about " in err

    code, _, err = speed("SLEEPER", *SHORT, "--repeats", 2, "--dry-run")
    assert code == 0
    assert "3 processes, 3 cached; the others take about 0 s" in err
    code, _, err = speed("SLEEPER", *SHORT, "--repeats", 2)
    assert code == 0
    assert "measuring" not in err
    assert err.count("cached") == 3
    code, out, err = speed("SLEEPER", "--frames", 500, "--dry-run")
    assert (code, out) == (0, "")
    assert "7 processes, 0 cached; the others take about" in err


@pytest.mark.slow
def test_an_audit_that_fails_is_an_exit_code(speed, tmp_path):
    target = tmp_path / "records.json"
    code, out, _ = speed("WAVERS", *SHORT, "--repeats", 1, "--json", target)
    assert code == 1
    assert "AUDIT FAILED: timed run predicts what is scored: 2 of 2 videos differ" in " ".join(out.split())
    (record,) = json.loads(target.read_text())
    assert record["audits"][0]["ok"] is False
    page = (tmp_path / "speed/squares-val/cpu/speed.md").read_text()
    assert "AUDIT FAILED" in page


@pytest.mark.slow
def test_a_curve_has_a_table_and_a_picture(speed, tmp_path):
    code, out, _ = speed("SLEEPER", "--curve", "objects", "--short", "--frames", 8)
    assert code == 0
    assert "by annotated objects: ms per frame, CPU ms per frame, peak MB" in out
    folder = tmp_path / "speed/squares-val/cpu"
    assert (folder / "curve-objects.png").read_bytes().startswith(b"\x89PNG")
    rows = (folder / "curve-objects.csv").read_text().splitlines()
    assert len(rows) == 2
    value, frames, seconds = rows[1].split(",")[3:6]
    assert (value, frames) == ("1", "8")
    assert 0.002 <= float(seconds) < 0.1


def test_fewer_frames_need_the_word_short(speed):
    code, _, err = speed("SLEEPER", "--frames", 100)
    assert code == 2
    assert "at least 500 frames. Add --short" in err


@pytest.mark.parametrize(
    ("option", "value"), [("--scenario", "streaming"), ("--precision", "bf61"), ("--curve", "objcts")]
)
def test_unknown_words_are_refused(speed, option, value):
    code, _, err = speed("SLEEPER", option, value)
    assert code == 2
    assert f"{option} {value!r}: must be" in err


def test_a_precision_that_the_device_lacks_is_refused(speed):
    code, _, err = speed("SLEEPER", *SHORT, "--precision", "tf32")
    assert code == 2
    assert "only CUDA devices have it" in err


def test_weights_are_taken_from_runs_of_the_same_values_only(speed, tmp_path):
    (tmp_path / "runs").mkdir()
    code, _, err = speed("SLEEPER", "--runs", tmp_path / "runs")
    assert code == 2
    assert "no finished run of sleeper@tiny with a checkpoint" in err


def test_nothing_is_measured_beside_another_job(speed):
    # the lock is looked for in the folder that `speed` has set
    with machine_shared():
        code, _, err = speed("SLEEPER", *SHORT)
    assert code == 2
    assert "another vis-bench job runs on this machine" in err
    assert "measuring" not in err
