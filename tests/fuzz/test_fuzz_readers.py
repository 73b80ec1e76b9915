"""Damaged and hostile files end in one of our errors: no traceback, no signal, no hang, no silent number.

Each input is read in a process with limited memory and 20 s. The inputs are the same in every run.
"""

from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from fuzz_readers import READERS
from hypothesis import HealthCheck, Phase, given, settings
from mutations import Edit, edits, mutated

SECONDS = 20
LONGEST_SECONDS = 120
QUICK, LONG = 12, 100
HERE = Path(__file__).parent
COUNTS: dict[str, Counter[str]] = {}


def _answers(process: subprocess.Popen[str]) -> bool:
    """Whether an answer comes in 20 s of the process's own time; on a busy machine these take longer."""
    begin, used = time.monotonic(), _seconds_used(process.pid)
    while not select.select([process.stdout], [], [], 1.0)[0]:
        waited = time.monotonic() - begin
        if _seconds_used(process.pid) - used > SECONDS or waited > LONGEST_SECONDS:
            return False
    return True


def _seconds_used(process: int) -> float:
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Worker:
    """The process that reads; another one takes its place where it ended."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None

    def ask(self, name: str, path: Path) -> dict[str, Any]:
        process = self._started()
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps([name, str(path)]) + "\n")
        process.stdin.flush()
        if not _answers(process):
            self.stop()
            return {"outcome": "hang", "text": f"no answer in {SECONDS} s"}
        line = process.stdout.readline()
        if not line:
            return {"outcome": "signal", "text": f"the process ended with {process.wait()}"}
        return json.loads(line)

    def _started(self) -> subprocess.Popen[str]:
        if self._process is None or self._process.poll() is not None:
            places = [str(HERE.parents[1]), str(HERE), os.environ.get("PYTHONPATH", "")]
            self._process = subprocess.Popen(
                [sys.executable, HERE / "fuzz_worker.py"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(places), "OMP_NUM_THREADS": "1"},
            )
        return self._process

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()


@pytest.fixture(scope="module")
def worker():
    found = Worker()
    yield found
    found.stop()


def fuzz(worker: Worker, name: str, folder: Path, inputs: int) -> Counter[str]:
    """Outcomes of so many inputs. Fails with the first one that is none of ours."""
    reader = READERS[name]
    sample = folder / "whole" / reader.name
    sample.parent.mkdir(parents=True)
    reader.make(sample)
    files = sorted(path for path in sample.rglob("*") if path.is_file()) if sample.is_dir() else [sample]
    assert files
    first = worker.ask(name, _placed(sample, folder))
    assert first["outcome"] == "ok", first
    counts: Counter[str] = Counter()

    @settings(
        max_examples=inputs,
        derandomize=True,
        database=None,
        deadline=None,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
    @given(edits)
    def one(changes: list[Edit]) -> None:
        placed = _placed(sample, folder)
        chosen = files[changes[0][1] % len(files)]
        target = placed / chosen.relative_to(sample) if sample.is_dir() else placed
        target.write_bytes(mutated(chosen.read_bytes(), changes))
        found = worker.ask(name, placed)
        counts[found["outcome"]] += 1
        if found["outcome"] not in ("ok", "error"):
            kept = Path(os.environ.get("VIS_BENCH_FUZZ_KEEP", folder)) / f"{name} {len(counts)}".replace(
                "/", "-"
            )
            kept.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(target, kept)
            raise AssertionError(f"{name}: {found['outcome']} of {changes}: {found.get('text')}")

    one()
    return counts


def _placed(sample: Path, folder: Path) -> Path:
    """A fresh copy of the sample, in a folder with nothing else but what readers keep beside it."""
    place = folder / "given" / sample.name
    if place.is_dir():
        shutil.rmtree(place)
    place.parent.mkdir(exist_ok=True)
    if sample.is_dir():
        shutil.copytree(sample, place)
    else:
        shutil.copy(sample, place)
    whole = sample.parent / "whole"
    if whole.is_dir() and not (place.parent / "whole").exists():
        shutil.copytree(whole, place.parent / "whole")
    return place


@pytest.mark.parametrize("name", READERS)
def test_damaged_inputs(worker, tmp_path, name) -> None:
    counts = fuzz(worker, name, tmp_path, QUICK)
    assert set(counts) <= {"ok", "error"}
    # it is no test of a reader that takes anything, or nothing
    COUNTS[name] = counts


def test_the_inputs_are_enough() -> None:
    assert len(READERS) * QUICK >= 300
    assert len(READERS) * LONG >= 2000


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("name", READERS)
def test_many_damaged_inputs(worker, tmp_path, name, capsys) -> None:
    counts = fuzz(worker, name, tmp_path, LONG)
    with capsys.disabled():
        print(f"\n{name}: {sum(counts.values())} inputs, {dict(counts)}")
    assert set(counts) <= {"ok", "error"}
    assert counts["error"]
