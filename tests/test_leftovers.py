"""What killed writers left is collected by the next one, and what live ones write is left alone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from vis_bench.cache import remove_abandoned, writer_mark
from vis_bench.files import write_text

KILLED = """
import os, signal, sys
from pathlib import Path
from vis_bench.files import atomic_path
with atomic_path(Path(sys.argv[1])) as temporary:
    temporary.write_text("half")
    print(temporary.name, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_the_next_writer_removes_what_a_killed_one_left(tmp_path: Path) -> None:
    target = tmp_path / "record.json"
    ended = subprocess.run([sys.executable, "-c", KILLED, target], capture_output=True, text=True)
    assert ended.returncode == -9
    assert [path.name for path in tmp_path.iterdir()] == [ended.stdout.strip()]
    write_text(target, "whole")
    assert [path.name for path in tmp_path.iterdir()] == ["record.json"]


def test_what_a_live_writer_writes_stays(tmp_path: Path) -> None:
    mine = tmp_path / f".record.json.{writer_mark()}-abc.tmp"
    mine.touch()
    # init is alive, and another machine's processes are not known here
    others = [tmp_path / f".record.json.1-{writer_mark().partition('-')[2]}-abc.tmp"]
    others.append(tmp_path / ".record.json.999999999-0123abcd-abc.tmp")
    for path in others:
        path.touch()
    write_text(tmp_path / "record.json", "text")
    assert {path.name for path in (mine, *others)} < {path.name for path in tmp_path.iterdir()}


def test_folders_are_removed_with_what_is_in_them(tmp_path: Path) -> None:
    ended = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True)
    process = ended.stdout.decode().strip()
    machine = writer_mark().partition("-")[2]
    (tmp_path / f".shapes-{process}-{machine}-x" / "JPEGImages").mkdir(parents=True)
    (tmp_path / f".shapes-{os.getpid()}-{machine}-x").mkdir()
    remove_abandoned(tmp_path, ".shapes-")
    assert [path.name for path in tmp_path.iterdir()] == [f".shapes-{os.getpid()}-{machine}-x"]
    remove_abandoned(tmp_path / "absent", ".shapes-")
