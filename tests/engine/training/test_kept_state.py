"""When the state of a training is kept, and what every process of a training does about it."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from toy_method import Toy, ToyConfig

from vis_bench.data import catalog
from vis_bench.engine.training import loop
from vis_bench.engine.training.group import ALONE, Group
from vis_bench.engine.training.loop import TrainJob, train_method
from vis_bench.engine.training.state import RESUME_NAME, read_resume
from vis_bench.records.run import CHECKPOINT_NAME
from vis_bench.setup.protocol import Protocol, Training

ITERATIONS = ToyConfig().train.iterations
NEVER = 1000


@pytest.fixture
def train(squares):
    """`train(folder, after)`: six steps; calls after(done) when a step is done, before the state is kept."""
    dataset = catalog.open_dataset(str(squares), "train")

    def call(folder: Path, after: Callable[[int], object] = lambda done: None, group: Group = ALONE) -> bytes:
        torch.manual_seed(0)
        config = ToyConfig()
        training = Training(checkpoint_every_iterations=NEVER)
        protocol = Protocol(name="p", about="", config="default", training=training)
        job = TrainJob(config.train, dataset, protocol, 5, "cpu")
        train_method(Toy(config, 1), job, folder, lambda stage, done, total: after(done), group)
        return (folder / CHECKPOINT_NAME).read_bytes() if group.leads else b""

    return call


@pytest.fixture
def clock(monkeypatch):
    """Seconds that pass only when they are told to: `clock.now += 100`."""
    fake = SimpleNamespace(now=1000.0)
    monkeypatch.setattr(loop, "time", SimpleNamespace(perf_counter=lambda: fake.now))
    return fake


def kept_at(folder: Path, seen: list[int | None]) -> Callable[[int], None]:
    """Writes down the iteration of the state that is there when a step is done."""

    def after(done: int) -> None:
        state = read_resume(folder)
        seen.append(None if state is None else state["iteration"])

    return after


def test_the_state_is_kept_by_time(train, tmp_path, clock, monkeypatch) -> None:
    """100 s a step, and every 250 s: after the third and the sixth step; the sixth is the end."""
    monkeypatch.setattr(loop, "SAVE_EVERY_SECONDS", 250.0)
    seen: list[int | None] = []
    look = kept_at(tmp_path, seen)

    def after(done: int) -> None:
        look(done)
        clock.now += 100

    train(tmp_path, after)
    assert seen == [None, None, None, 3, 3, 3]
    assert not (tmp_path / RESUME_NAME).exists()


def test_the_state_is_kept_after_every_step_where_no_time_may_pass(train, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(loop, "SAVE_EVERY_SECONDS", 0.0)
    seen: list[int | None] = []
    train(tmp_path, kept_at(tmp_path, seen))
    assert seen == [None, 1, 2, 3, 4, 5]


def test_before_the_time_is_up_nothing_is_kept(train, tmp_path, clock) -> None:
    seen: list[int | None] = []
    train(tmp_path, kept_at(tmp_path, seen))
    assert seen == [None] * ITERATIONS


@pytest.mark.parametrize("rank", [0, 1])
def test_every_process_looks_at_the_loss_only_when_it_is_time(
    rank, train, tmp_path, clock, monkeypatch
) -> None:
    """A process that writes nothing, too, or it waits for its device in each step from the first time on."""
    monkeypatch.setattr(loop, "SAVE_EVERY_SECONDS", 150.0)
    looked: list[int] = []
    # {}: those of the log name the terms
    monkeypatch.setattr(loop, "require_finite", lambda _, step, terms: terms or looked.append(step))

    def after(done: int) -> None:
        clock.now += 100

    train(tmp_path, after, Group(rank, size=1))
    assert looked == [1, 3]
    assert not (tmp_path / RESUME_NAME).exists()


@pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="no such signal")
@pytest.mark.parametrize("rank", [0, 1])
def test_the_signal_to_save_keeps_the_state_once_and_the_training_goes_on(
    rank, train, tmp_path, monkeypatch
) -> None:
    looked: list[int] = []
    real = loop.require_finite

    def look(trained, step, terms) -> None:
        if not terms:
            looked.append(step)
        real(trained, step, terms)

    monkeypatch.setattr(loop, "require_finite", look)
    seen: list[int | None] = []
    write_down = kept_at(tmp_path / "asked", seen)

    def after(done: int) -> None:
        write_down(done)
        if done == 2:
            os.kill(os.getpid(), signal.SIGUSR1)

    passed_on: list[int] = []
    earlier = signal.signal(signal.SIGUSR1, lambda number, frame: passed_on.append(len(seen)))
    try:
        asked = train(tmp_path / "asked", after, Group(rank, size=1))
    finally:
        signal.signal(signal.SIGUSR1, earlier)
    assert len(seen) == ITERATIONS
    if rank == 0:
        assert seen == [None, None, 2, 2, 2, 2]
        # to who listened before, once the state was on disk
        assert passed_on == [2]
        assert looked == [1]
        assert asked == train(tmp_path / "whole")
    else:
        assert seen == [None] * ITERATIONS
        assert passed_on == [ITERATIONS]
        assert looked == []
