"""Training clips: their cost beside the plain way, and the memory of a worker on a large data set.

    pytest tests/benchmarks/test_bench_loader.py --benchmark-enable -s

Five minutes; `loader_cost.py` and `loader_memory.py` print the tables of docs/training.md.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
# what the paper configurations of these methods have to gain at least
LEAST_RATIO = 2.0
METHODS = ("stc", "inspro", "querytrack", "mask2former_vis")
MOST_PICKLED_BYTES, MOST_UNSHARED_BYTES = 1_000_000, 20_000_000


def output(script: str, *arguments: str, request: pytest.FixtureRequest) -> str:
    if not request.config.getoption("benchmark_enable"):
        pytest.skip("benchmarks are not enabled")
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(HERE / script), *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout


def test_a_clip_costs_less_than_half(request: pytest.FixtureRequest, capsys) -> None:
    found = output("loader_cost.py", "--methods", ",".join(METHODS), "--clips", "16", request=request)
    with capsys.disabled():
        print(f"\n{found}")
    rows = [line.split() for line in found.splitlines()[2:]]
    assert {(row[0], int(row[2])) for row in rows} == {(name, n) for name in METHODS for n in (0, 1, 2)}
    assert [row[0] for row in rows if float(row[-1]) < LEAST_RATIO] == []


def test_a_worker_shares_the_annotations(request: pytest.FixtureRequest, capsys) -> None:
    text = output("loader_memory.py", request=request)
    with capsys.disabled():
        print(f"\n{text}")
    found = json.loads(text)
    large, small = found["official size"], found["one video"]
    assert large["annotation_bytes"] > 400e6
    assert large["pickled_sampler_bytes"] < MOST_PICKLED_BYTES
    assert large["unshared_bytes"] < small["unshared_bytes"] + MOST_UNSHARED_BYTES + large["clip_bytes"]
