"""docs/training.md keeps its word: every command of the page runs, made small as SMALLER and SIZES say."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from coco_files import write_coco
from test_official_layouts import write_official

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "training.md"
# what becomes of a command here, and why; everything else of it stays
SMALLER = (
    # the papers' sizes take days on a CPU
    (r"@paper\b", "@tiny"),
    # ten methods take minutes; each is trained by its own tests, and --dry-run takes all of them
    (r"--methods all(?! .*--dry-run)", "--methods stc@tiny"),
    # there is no GPU; CPUs have no numbers
    (r"--device cuda:0", "--device cpu"),
    (r"--devices 0,2", "--devices 2"),
    (r"--workers 8", "--workers 2"),
    (r"--nproc-per-node 8", "--nproc-per-node 1"),
    (r"--rdzv-endpoint HOST:29500", "--local-addr localhost --rdzv-endpoint localhost:{port}"),
    (r"--out /shared/runs", ""),
    (r"coco:(path/to|data)/coco", "coco:{coco}"),
    (r" starts$", " {starts}"),
    # 500 videos to train on; the quick protocol of README trains on them in CI
    (r"--dataset shapes\b", "--dataset ytvis21"),
)
SIZES = {
    "train.iterations": "2",
    "train.batch_size": "4",
    "train.shard_clips": "1",
    "train.augmentation.short_sides": "64",
    "train.augmentation.max_long_side": "96",
    "test_short_side": "64",
    "test_max_long_side": "96",
}
PRETRAINED = ("--images", "4", "--set", "train.augmentation.short_sides=64")
TINY = 'name = "tiny"\nabout = "made small"\nconfig = "tiny"\n'
STOPPED = "stopped by Ctrl-C"


def commands(page: str) -> list[tuple[str, str]]:
    """(command, its comment) of every line of the page's console blocks that starts vis-bench or torchrun."""
    blocks = re.findall(r"^```console\n(.*?)^```", page, flags=re.MULTILINE | re.DOTALL)
    lines = [line.partition("#") for block in blocks for line in block.splitlines()]
    return [
        (command.strip(), comment.strip())
        for command, _, comment in lines
        if command.startswith(("vis-bench ", "torchrun "))
    ]


COMMANDS = commands(PAGE.read_text(encoding="utf-8"))
DRY = [command for command, _ in COMMANDS if "--dry-run" in command]
STOPS = [command for command, comment in COMMANDS if comment == STOPPED]
STARTS = [command for command, _ in COMMANDS if "pretrain" in command or "--start " in command]
LAUNCHED = [command for command, _ in COMMANDS if command.startswith("torchrun")]
PLAIN = [
    command
    for number, (command, comment) in enumerate(COMMANDS)
    if command not in (*DRY, *STOPS, *LAUNCHED, *STARTS)
    and (not number or COMMANDS[number - 1][1] != STOPPED)
]


def weight(command: str) -> pytest.MarkDecorator:
    """Options that have tests of their own elsewhere wait for the long run: each command starts a program."""
    here = "--precision" in command or "--extra-data" in command
    return pytest.mark.shown if here else pytest.mark.long


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("localhost", 0))
        port: int = listening.getsockname()[1]
        return port


@pytest.fixture
def small(tmp_path: Path) -> Callable[..., list[str]]:
    """A command of the page as it can run here."""
    write_official(tmp_path / "data", "ytvis21")
    (tmp_path / "tiny.toml").write_text(TINY)
    (tmp_path / "images.toml").write_text(f"{TINY}[image_stage]\nimages = 4\n")
    write_coco(tmp_path / "coco")
    places = {"port": free_port(), "coco": tmp_path / "coco", "starts": tmp_path / "starts"}

    def made(command: str, **sizes: str) -> list[str]:
        for pattern, replacement in SMALLER:
            command = re.sub(pattern, replacement.format(**places), command)
        words = shlex.split(command)
        launcher = ["torch.distributed.run"] if words[0] == "torchrun" else ["vis_bench"]
        if words[1] == "pretrain":
            words = [*words[1:], *PRETRAINED, "--protocol", str(tmp_path / "images.toml")]
            return [sys.executable, "-m", *launcher, *words, "--device", "cpu"]
        words = [sys.executable, "-m", *launcher, *words[1:], "--data-root", str(tmp_path / "data")]
        if "--dry-run" in words:
            return words
        for key, value in {**SIZES, **sizes}.items():
            if f"{key}=" not in command:
                words += ["--set", f"{key}={value}"]
        words += ["--protocol", str(tmp_path / "tiny.toml"), "--out", str(tmp_path / "runs")]
        return words if "--device" in words else [*words, "--device", "cpu"]

    return made


ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}


def run(words: list[str]) -> str:
    done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=ROOT, env=ENVIRONMENT)
    assert done.returncode == 0, f"{shlex.join(words)}\n{done.stderr}"
    return done.stderr


def records(folder: Path) -> list[dict[str, object]]:
    return [json.loads(path.read_text()) for path in folder.glob("runs/ytvis21-devval/**/record.json")]


def logged(folder: Path) -> list[int]:
    (path,) = folder.glob("runs/trained/*/train.jsonl")
    return [json.loads(line)["iteration"] for line in path.read_text().splitlines()]


def test_the_page_answers_what_it_is_asked() -> None:
    """One command at least for each of these; what is listed above is found."""
    text = "\n".join(command for command, _ in COMMANDS)
    for words in (
        "--devices 4", "--devices 0,2", "--device cuda:0", "--workers", "--precision", "--dry-run", "--seeds",
        "--extra-data coco:", "torchrun --nnodes 2", "checkpoint=true", "train.shard_clips=",
    ):  # fmt: skip
        assert words in text, words
    assert (len(DRY), len(STOPS), len(LAUNCHED), len(STARTS)) == (1, 1, 1, 2)
    # each is run by one of the tests below; the second of the two that stop goes on
    assert len(PLAIN) + len(DRY) + 2 * len(STOPS) + len(LAUNCHED) + len(STARTS) == len(COMMANDS)


def test_every_substitution_is_needed() -> None:
    text = "\n".join(command for command, _ in COMMANDS)
    assert [pattern for pattern, _ in SMALLER if not re.search(pattern, text, re.MULTILINE)] == []


@pytest.mark.parametrize("command", [pytest.param(one, marks=weight(one)) for one in PLAIN])
def test_a_command_trains_and_scores(command: str, small: Callable[..., list[str]], tmp_path: Path) -> None:
    run(small(command))
    found = records(tmp_path)
    assert len(found) == (3 if "--seeds 3" in command else 1)
    assert {record["status"] for record in found} == {"done"}
    for option, field, value in (
        ("--precision bf16", "precision", "bf16"),
        ("--extra-data", "extra_data", None),
    ):
        if option in command:
            assert all(record[field] == value if value else record[field] for record in found)


@pytest.mark.long
def test_whole_models_are_pretrained_and_started_from(
    small: Callable[..., list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(ENVIRONMENT, "VIS_BENCH_CACHE", str(tmp_path / "cache"))
    for command in STARTS:
        run(small(command))
    (record,) = records(tmp_path)
    assert record["status"] == "done"
    assert record["start"]["loaded"] > 100  # type: ignore[index]


@pytest.mark.long
def test_the_plan_of_all_methods(small: Callable[..., list[str]], tmp_path: Path) -> None:
    (command,) = DRY
    said = run(small(command))
    assert "10 runs" in said or said.count("@paper") >= 10, said
    assert "GiB" in said or "GB" in said
    assert not (tmp_path / "runs").exists()


@pytest.mark.shown
def test_a_stopped_run_goes_on(small: Callable[..., list[str]], tmp_path: Path) -> None:
    first, second = (COMMANDS[COMMANDS.index((STOPS[0], STOPPED)) + i][0] for i in (0, 1))
    with subprocess.Popen(
        small(first, **{"train.iterations": "30"}), stderr=subprocess.PIPE, cwd=ROOT, env=ENVIRONMENT
    ) as process:
        deadline = time.monotonic() + 300
        while not list(tmp_path.glob("runs/trained/*/train.jsonl")):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    assert b"the same command goes on from here" in err
    assert logged(tmp_path) == [0]
    (kept,) = tmp_path.glob("runs/trained/*/resume.pt")
    assert kept.stat().st_size > 0
    run(small(second, **{"train.iterations": "30"}))
    assert logged(tmp_path) == [0, 20, 29]
    assert [record["status"] for record in records(tmp_path)] == ["done"]


@pytest.mark.long
def test_two_machines(small: Callable[..., list[str]], tmp_path: Path) -> None:
    """Two launchers, which meet at the address, stand for two machines."""
    words = small(LAUNCHED[0])
    machines = [
        subprocess.Popen(words, stderr=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT, env=ENVIRONMENT)
        for _ in range(2)
    ]
    said = [process.communicate(timeout=300) for process in machines]
    assert [process.returncode for process in machines] == [0, 0], said
    # one of them writes and shows the table
    assert sorted(b"AP50" in out for out, _ in said) == [False, True]
    assert [record["status"] for record in records(tmp_path)] == ["done"]
