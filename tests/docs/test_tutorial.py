"""docs/tutorial.md keeps its word: its ten commands run in its order, on four tiny videos, two steps each."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from shown import ROOT, commands_of
from tutorial_videos import write_videos

COMMANDS = [
    command for _, command in commands_of((ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8"))
]
# the protocol of the page, without what takes minutes: the image stage, sizes, and iterations
PROTOCOL = """\
name = "video"
about = "made small"
config = "tiny"
threads_per_job = 1
[overrides]
"train.iterations" = 2
"train.batch_size" = 2
"train.augmentation.short_sides" = [48]
"train.augmentation.max_long_side" = 64
"test_short_side" = 48
"test_max_long_side" = 64
"""


def test_the_page_has_ten_commands() -> None:
    assert len(COMMANDS) == 10
    assert all(command.startswith("vis-bench ") for command in COMMANDS)


@pytest.mark.shown
def test_from_four_videos_to_a_verdict(tmp_path: Path) -> None:
    write_videos(tmp_path)
    (tmp_path / "tiny.toml").write_text(PROTOCOL)
    program = tmp_path / "bin" / "vis-bench"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m vis_bench "$@"\n')
    program.chmod(0o755)
    paths = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    environment = {
        **os.environ,
        "PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": paths,
        "OMP_NUM_THREADS": "1",
        "CUDA_VISIBLE_DEVICES": "",
    }
    said = {}
    for command in COMMANDS:
        small = command
        if command.startswith("vis-bench run"):
            small = command.replace("--seeds 3", "--seeds 2") + " --protocol tiny.toml"
        # a shell, since two of them name a folder by a pattern
        done = subprocess.run(
            ["bash", "-c", small], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{small}\n{done.stdout}\n{done.stderr}"
        said[command.split()[1]] = done.stdout + done.stderr
    assert "masktrack_rcnn" in said["run"]
    assert "verdict" in said["compare"]
    assert "missed" in said["explain"]
    records = sorted(tmp_path.glob("runs/mine-val/video/*/record.json"))
    assert [json.loads(path.read_text())["status"] for path in records] == ["done"] * 4
    assert (tmp_path / "report" / "report.html").is_file()
    assert {path.name for path in (tmp_path / "out").iterdir()} > {"results.json", "videos.html"}
