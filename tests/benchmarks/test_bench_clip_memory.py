"""A video of 300 frames of 360x640 fits into 8 GB with `low_memory`, for both clip-level methods.

    pytest tests/benchmarks/test_bench_clip_memory.py --benchmark-enable -s

Ten minutes; see `clip_memory.py` for what is real and what is not.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("clip_memory.py")
FRAMES, MOST_MEMORY_BYTES = 300, 8e9


def peak(method: str, frames: int, *changes: str) -> int:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(SCRIPT), method, str(frames), *changes]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])["peak_memory_bytes"]


@pytest.mark.parametrize("method", ["mask2former_vis", "ifr"])
def test_a_long_video_fits(method: str, request: pytest.FixtureRequest, capsys) -> None:
    if not request.config.getoption("benchmark_enable"):
        pytest.skip("benchmarks are not enabled")
    low = peak(method, FRAMES, "low_memory=true")
    short, longer = (peak(method, frames) for frames in (20, 60))
    per_frame = (longer - short) / 40
    with capsys.disabled():
        print(f"\n{method}: low_memory {low / 1e9:.2f} GB with {FRAMES} frames")
        print(f"{method}: default {longer / 1e9:.2f} GB with 60, {per_frame / 1e6:.1f} MB per further frame")
    assert low < MOST_MEMORY_BYTES
    assert low < short + 0.7 * per_frame * (FRAMES - 20)
