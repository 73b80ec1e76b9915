"""Opening annotations of YouTube-VIS 2021's official size, the first time and again.

    pytest tests/benchmarks/test_bench_store.py --benchmark-enable -s

One minute. VIS_BENCH_TIMES=10 measures ten times the size too: 9 GB of disk and ten minutes.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from official_train import TRACKS, VIDEOS, write_official_train

HERE = Path(__file__).parent
# by size: seconds and peak memory of opening again, peak memory of making the store
LIMITS = {1: (1.0, 300e6, 8e9), 10: (10.0, 1e9, 8e9)}
SIZES = (1, 10) if os.environ.get("VIS_BENCH_TIMES") == "10" else (1,)


def cost(way: str, annotations: Path, cache: Path) -> dict[str, Any]:
    path = os.pathsep.join([str(HERE.parents[1]), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, str(HERE / "store_cost.py"), way, str(annotations), str(cache)]
    environment = {**os.environ, "PYTHONPATH": path}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    return json.loads(done.stdout)


@pytest.mark.parametrize("times", SIZES)
def test_opening_again_takes_no_time(
    times: int, tmp_path: Path, request: pytest.FixtureRequest, capsys
) -> None:
    if not request.config.getoption("benchmark_enable"):
        pytest.skip("benchmarks are not enabled")
    annotations = write_official_train(tmp_path / "official.json", times)
    ways = {"made": "open", "again": "open"} | ({"before": "plain"} if times == 1 else {})
    found = {name: cost(way, annotations, tmp_path / "cache") for name, way in ways.items()}
    with capsys.disabled():
        print(f"\n{times}x, {annotations.stat().st_size / 1e6:.0f} MB of JSON")
        for name, one in found.items():
            memory = f"{one['peak_memory_bytes'] / 1e6:.0f} MB"
            print(f"{name:<8}{one['seconds']:>9.2f} s {memory:>9}, store {one['store_bytes'] / 1e6:.0f} MB")
    seconds, again_bytes, made_bytes = LIMITS[times]
    for one in found.values():
        assert (one["videos"], one["tracks"]) == (times * VIDEOS, times * TRACKS)
    assert found["again"]["on_demand"]
    assert found["again"]["seconds"] < seconds
    assert found["again"]["peak_memory_bytes"] < again_bytes
    assert found["made"]["peak_memory_bytes"] < made_bytes
