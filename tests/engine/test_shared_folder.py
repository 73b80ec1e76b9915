"""Two processes of two machines on one folder of results, on a file system without locks (a test double).

Each process has its own name of a machine, and no `flock`: what they know of one another are the leases.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no file locks")

HERE = Path(__file__).parent
COUNTED = f"{HERE / 'counted_method.py'}:SPEC"
ITERATIONS = 6
DOUBLE = """
import errno, fcntl, os, platform
def flock(file, operation):
    raise OSError(errno.ENOTSUP, "Operation not supported")
fcntl.flock = flock
platform.node = lambda: os.environ["FAKE_NODE"]
"""


@pytest.fixture
def start(tmp_path, squares, protocol):
    """Start `vis-bench run` as a machine of this name; returns the process, which leads its own group."""
    double = tmp_path / "double"
    double.mkdir()
    (double / "sitecustomize.py").write_text(DOUBLE)
    started = []

    def call(node, seeds, seconds=0.0, jobs=1):
        places = [str(double), str(HERE.parents[1]), os.environ.get("PYTHONPATH", "")]
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(places),
            "FAKE_NODE": node,
            "TOY_COUNT": str(tmp_path / "steps"),
            "TOY_SECONDS": str(seconds),
            "VIS_BENCH_CACHE": str(tmp_path / f"cache of {node}"),
        }
        command = [
            "run",
            "--methods",
            COUNTED,
            "--dataset",
            squares,
            "--protocol",
            protocol,
            "--seeds",
            seeds,
        ]
        command += ["--jobs", jobs, "--device", "cpu", "--out", tmp_path / "runs"]
        log = (tmp_path / f"{node}.log").open("wb")
        process = subprocess.Popen(
            [sys.executable, "-m", "vis_bench", *map(str, command)],
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        started.append(process)
        return process

    yield call
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def records(tmp_path):
    found = [json.loads(path.read_text()) for path in (tmp_path / "runs").rglob("record.json")]
    return {record["seed"]: record for record in found}


def steps(tmp_path):
    return len((tmp_path / "steps").read_bytes())


def said(tmp_path):
    return "\n".join(path.read_text() for path in sorted(tmp_path.glob("*.log")))


@pytest.mark.slow
@pytest.mark.long
def test_two_processes_share_the_units_none_twice_and_none_lost(start, tmp_path):
    both = [start("a", 4, 0.3), start("b", 4, 0.3)]
    assert [process.wait(timeout=300) for process in both] == [0, 0], said(tmp_path)
    found = records(tmp_path)
    assert sorted(found) == [0, 1, 2, 3]
    assert {record["status"] for record in found.values()} == {"done"}
    # a unit that was trained twice would have left more
    assert steps(tmp_path) == 4 * ITERATIONS
    assert not list((tmp_path / "runs").rglob(".lease*"))


@pytest.mark.slow
@pytest.mark.long
def test_the_lease_of_a_killed_owner_is_taken_over_within_a_minute(start, tmp_path):
    first = start("a", 1, 20.0)
    _until(lambda: list((tmp_path / "runs").rglob("resume.pt")), tmp_path)
    second = start("b", 1)
    _until(lambda: "to do" in (tmp_path / "b.log").read_text(), tmp_path)
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    killed = time.monotonic()
    assert b'"a"' in _lease(tmp_path)
    _until(lambda: b'"b"' in _lease(tmp_path), tmp_path)
    taken = time.monotonic() - killed
    print(f"\ntaken over {taken:.0f} s after the kill")
    assert second.wait(timeout=200) == 0, said(tmp_path)
    assert records(tmp_path)[0]["status"] == "done"
    assert taken < 60
    # it went on from the checkpoint of the first: fewer steps than two trainings
    assert steps(tmp_path) < 2 * ITERATIONS


def _lease(tmp_path):
    return b"".join(path.read_bytes() for path in (tmp_path / "runs").rglob(".lease"))


def _until(true, tmp_path, seconds=150):
    begin = time.monotonic()
    while not true():
        assert time.monotonic() - begin < seconds, said(tmp_path)
        time.sleep(0.1)
