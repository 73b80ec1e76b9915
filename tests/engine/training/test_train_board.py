"""What TensorBoard is told of a training, by a stand-in for its writer: the package is an extra."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import ClassVar

import pytest
import torch
from toy_method import Toy, ToyConfig

from vis_bench.data import catalog
from vis_bench.engine.training import loop
from vis_bench.engine.training.group import ALONE, Group
from vis_bench.engine.training.log import LogEntry, TrainLog
from vis_bench.engine.training.loop import TrainJob, train_method
from vis_bench.setup.protocol import Protocol, Training

ENTRY = LogEntry(
    20, 0, 0.5, 9.0, {"mask": 1.0, "box": 0.25}, 3.0, 0.125, 7_000, ("upsample",)
)  # fmt: skip


class Writer:
    """Of `torch.utils.tensorboard`: keeps what it is called with."""

    made: ClassVar[list[Writer]] = []

    def __init__(self, folder: str, purge_step: int | None = None) -> None:
        self.folder, self.purge_step = folder, purge_step
        self.scalars: list[tuple[str, float, int]] = []
        self.flushed: list[int] = []
        self.closed = False
        self.made.append(self)

    def add_scalar(self, name: str, value: float, step: int) -> None:
        self.scalars.append((name, value, step))

    def flush(self) -> None:
        self.flushed.append(len(self.scalars))

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def writers(monkeypatch) -> list[Writer]:
    """Those that are made, in order."""
    package, inside = ModuleType("tensorboard"), ModuleType("torch.utils.tensorboard")
    package.__spec__ = importlib.machinery.ModuleSpec("tensorboard", None)
    inside.SummaryWriter = Writer  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "tensorboard", package)
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", inside)
    monkeypatch.setattr(Writer, "made", [])
    return Writer.made


def test_an_entry_becomes_scalars_at_once(writers, tmp_path: Path) -> None:
    log = TrainLog(tmp_path / "train.jsonl", 7, "a card")
    log.write(ENTRY)
    (writer,) = writers
    assert (writer.folder, writer.purge_step) == (str(tmp_path / "tensorboard"), 7)
    assert {(name, value) for name, value, _ in writer.scalars} == {
        ("loss/mask", 1.0),
        ("loss/box", 0.25),
        ("loss/total", 1.25),
        ("rate", 0.5),
        ("speed/clips per second", 3.0),
        ("speed/seconds waiting for data", 0.125),
        ("memory/device bytes", 7_000),
    }
    assert {step for *_, step in writer.scalars} == {20}
    # to be seen while the training runs
    assert writer.flushed == [7]
    assert not writer.closed
    log.close()
    assert writer.closed


def test_only_the_process_that_writes_has_a_board(writers, tmp_path: Path) -> None:
    log = TrainLog(tmp_path / "train.jsonl", 0, "a card", writes=False)
    log.write(ENTRY)
    log.close()
    assert not writers


def test_without_the_package_there_are_lines_alone(tmp_path: Path, monkeypatch) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == "tensorboard" else real(name, *rest)
    )
    log = TrainLog(tmp_path / "train.jsonl", 0, "a card")
    log.write(ENTRY)
    log.close()
    assert [path.name for path in tmp_path.iterdir()] == ["train.jsonl"]


@pytest.mark.parametrize("rank", [0, 1])
def test_a_training_shows_what_its_lines_say(rank, writers, squares, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(loop, "LOG_EVERY_ITERATIONS", 2)
    torch.manual_seed(0)
    config = ToyConfig()
    dataset = catalog.open_dataset(str(squares), "train")
    protocol = Protocol(name="p", about="", config="default", training=Training())
    job = TrainJob(config.train, dataset, protocol, 5, "cpu")
    group = ALONE if rank == 0 else Group(rank, size=1)
    train_method(Toy(config, 1), job, tmp_path, lambda *_: None, group)
    if rank:
        assert not writers
        return
    (writer,) = writers
    lines = [json.loads(line) for line in (tmp_path / "train.jsonl").read_text().splitlines()]
    assert [line["iteration"] for line in lines] == [0, 2, 4, 5]
    shown = [(value, step) for name, value, step in writer.scalars if name == "loss/mask"]
    assert [(round(value, 6), step) for value, step in shown] == [
        (line["losses"]["mask"], line["iteration"]) for line in lines
    ]
    # a CPU has no memory of its own to tell of
    assert not [name for name, *_ in writer.scalars if name.startswith("memory")]
    assert writer.closed
