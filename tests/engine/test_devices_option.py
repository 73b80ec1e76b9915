"""--devices: which ones, how many, what happens when one dies, and the same under a launcher."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from safetensors.torch import load_file

from vis_bench.engine.process import devices
from vis_bench.engine.process.devices import choose_devices
from vis_bench.errors import UsageError

TOY = Path(__file__).parent / "toy_method.py"
# batches of two clips, each a shard of its own
SHARDS = ["--set", "train.shard_clips=1", "--set", "noise=0.1"]


@pytest.mark.parametrize(
    ("there", "given", "slots"),
    [
        (0, ("auto", 1), (("cpu",),)),
        (0, ("cpu", 2), (("cpu", "cpu"),)),
        (3, ("auto", 1), (("cuda:0",), ("cuda:1",), ("cuda:2",))),
        (4, ("cuda", "2"), (("cuda:0", "cuda:1"), ("cuda:2", "cuda:3"))),
        (3, ("cuda", 2), (("cuda:0", "cuda:1"),)),
        (3, ("cuda:1", 1), (("cuda:1",),)),
        (3, ("auto", "2,0"), (("cuda:2", "cuda:0"),)),
        (3, ("cuda", "1,"), (("cuda:1",),)),
        (3, ("cpu", 1), (("cpu",),)),
    ],
)
def test_slots_of_one_run_each(there, given, slots, monkeypatch) -> None:
    monkeypatch.setattr(devices, "cuda_count", lambda: there)
    found = choose_devices(*given)
    assert found.slots == slots
    assert found.kind == slots[0][0].partition(":")[0]


@pytest.mark.parametrize(
    ("there", "given", "text"),
    [
        (0, ("cuda", 1), "0 CUDA devices"),
        (2, ("cuda:2", 1), "this machine has 2 CUDA devices"),
        (2, ("cuda", 3), "gives 2 CUDA devices here"),
        (2, ("cuda", "0,2"), "cuda:2"),
        (2, ("cuda:0", "0,1"), "name the devices once"),
        (0, ("cpu", "0,1"), "CPUs have no numbers"),
        (0, ("cpu:1", 1), "must be auto, cpu, cuda or cuda:N"),
        (0, ("tpu", 1), "must be auto, cpu, cuda or cuda:N"),
        (0, ("cpu", 0), "give a count"),
        (0, ("cpu", "1,1"), "give a count"),
        (0, ("cpu", "two"), "give a count"),
    ],
)
def test_devices_that_there_are_not(there, given, text, monkeypatch) -> None:
    monkeypatch.setattr(devices, "cuda_count", lambda: there)
    with pytest.raises(UsageError, match=text):
        choose_devices(*given)


def test_workers_share_the_cores_of_a_machine(monkeypatch) -> None:
    monkeypatch.setattr(devices, "cuda_count", lambda: 4)
    monkeypatch.setattr(os, "cpu_count", lambda: 24)
    ways = (("cpu", 1), ("cuda", 1), ("cuda", 2))
    assert [devices.default_workers(choose_devices(*given)) for given in ways] == [0, 6, 6]
    assert devices.default_workers(choose_devices("cuda:0", 1)) == 8


@pytest.fixture
def run(vis_bench, squares, protocol, tmp_path):
    def call(out: str, *options: object, method: Path = TOY):
        arguments = ("--dataset", squares, "--protocol", protocol, "--out", tmp_path / out, *SHARDS)
        return vis_bench("run", "--methods", f"{method}:SPEC", *arguments, *options)

    return call


def checkpoint(out: Path) -> dict[str, bytes]:
    (path,) = out.glob("trained/*/checkpoint.safetensors")
    return {name: value.numpy().tobytes() for name, value in load_file(path).items()}


def record(out: Path) -> dict:
    (path,) = out.glob("squares-val/*/*/record.json")
    return json.loads(path.read_text())


@pytest.mark.slow
def test_two_devices_are_two_processes_and_the_same_run(run, tmp_path) -> None:
    assert run("one")[0] == 0
    code, _, err = run("two", "--devices", 2)
    assert code == 0
    assert "on 2 processes of the CPU for each run" in err
    assert checkpoint(tmp_path / "one") == checkpoint(tmp_path / "two")
    one, two = record(tmp_path / "one"), record(tmp_path / "two")
    assert one["metrics"] == two["metrics"]
    assert one["run_hash"] == two["run_hash"]


def test_more_devices_than_shards_are_refused(run) -> None:
    code, _, err = run("many", "--devices", 3)
    assert code == 2
    assert "3 devices" in err
    assert "2 shards" in err


def test_shards_that_do_not_divide_the_batch_are_refused(run) -> None:
    code, _, err = run("odd", "--set", "train.batch_size=3", "--set", "train.shard_clips=2")
    assert code == 2
    assert "does not divide train.batch_size 3" in err


BROKEN = """
from toy_method import SPEC as WHOLE, Toy
import dataclasses, os, sys
import torch.distributed as dist

class Broken(Toy):
    steps = 0

    def losses(self, clips):
        Broken.steps += 1
        if dist.is_initialized() and dist.get_rank() == 1 and Broken.steps == 4:
            DIE
        return super().losses(clips)

SPEC = dataclasses.replace(WHOLE, build=Broken)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("how", "text"),
    [("raise ValueError('a bug there')", "ValueError: a bug there"), ("os._exit(9)", "exit code 9")],
)
def test_a_device_that_dies_ends_the_run_and_another_number_goes_on(how, text, run, tmp_path) -> None:
    plugin = tmp_path / "broken.py"
    (tmp_path / "toy_method.py").write_text(TOY.read_text())
    plugin.write_text(BROKEN.replace("DIE", how))
    code, _, err = run("dies", "--devices", 2, method=plugin)
    assert code == 4
    assert "device 1 (cpu)" in err
    assert text in err
    (trace,) = (tmp_path / "dies").glob("squares-val/*/*/error.txt")
    assert text in trace.read_text()
    if "raise" in how:
        assert 'broken.py", line' in trace.read_text()
    (kept,) = (tmp_path / "dies").glob("trained/*/resume.pt")
    assert kept.stat().st_size > 0
    # on one device nothing dies; it goes on where the two had stopped, and ends as if nothing had been
    assert run("dies", method=plugin)[0] == 0
    assert run("whole", method=plugin)[0] == 0
    assert checkpoint(tmp_path / "dies") == checkpoint(tmp_path / "whole")


@pytest.mark.long
def test_a_launcher_trains_the_same_run(run, squares, protocol, tmp_path) -> None:
    assert run("one")[0] == 0
    launched = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    arguments = ["--methods", f"{TOY}:SPEC", "--dataset", squares, "--protocol", protocol, *SHARDS]
    command = [*launched, "-m", "vis_bench", "run", *arguments, "--out", tmp_path / "launched"]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("squares val, 2 videos") == 1  # one table
    assert checkpoint(tmp_path / "one") == checkpoint(tmp_path / "launched")
    assert record(tmp_path / "one")["metrics"] == record(tmp_path / "launched")["metrics"]


ROOT = Path(__file__).parents[2]
SLOW = """
import dataclasses, time
from toy_method import SPEC as WHOLE, Toy

class Slow(Toy):
    def losses(self, clips):
        time.sleep(0.3)
        return super().losses(clips)

SPEC = dataclasses.replace(WHOLE, build=Slow)
"""


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_keeps_what_was_done(number, code, run, squares, protocol, tmp_path) -> None:
    """The protocol would keep the state after 1,000 iterations; the signal keeps it at once."""
    (tmp_path / "toy_method.py").write_text(TOY.read_text())
    (tmp_path / "slow.py").write_text(SLOW)
    protocol.write_text(protocol.read_text().replace("iterations = 2", "iterations = 1000"))
    arguments = ["--methods", f"{tmp_path / 'slow.py'}:SPEC", "--dataset", squares, "--protocol", protocol]
    command = [sys.executable, "-m", "vis_bench", "run", *arguments, *SHARDS, "--out", tmp_path / "stopped"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(tmp_path)}
    words = list(map(str, command))
    with subprocess.Popen(words, stderr=subprocess.PIPE, cwd=ROOT, env=environment) as process:
        deadline = time.monotonic() + 120
        while not list((tmp_path / "stopped").glob("trained/*/train.jsonl")):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        time.sleep(0.5)
        process.send_signal(number)
        _, err = process.communicate(timeout=120)
    assert process.returncode == code
    assert b"the same command goes on from here" in err
    (kept,) = (tmp_path / "stopped").glob("trained/*/resume.pt")
    assert kept.stat().st_size > 0
    assert run("stopped", method=tmp_path / "slow.py")[0] == 0
    assert run("whole", method=tmp_path / "slow.py")[0] == 0
    assert checkpoint(tmp_path / "stopped") == checkpoint(tmp_path / "whole")
