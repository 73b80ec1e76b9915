"""The same training on several numbers of devices, each a process with one thread; not a test itself."""

from __future__ import annotations

import json
import multiprocessing
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from ytvis_files import rle

from vis_bench.data.ytvis import read_dataset
from vis_bench.engine.process.progress import silent
from vis_bench.engine.training import loop
from vis_bench.engine.training.group import ALONE, join, leave
from vis_bench.engine.training.log import LogEntry, TrainLog
from vis_bench.engine.training.loop import TrainJob, seed_everything, train_method
from vis_bench.engine.training.state import RESUME_NAME, save_resume
from vis_bench.files import append_text, write_json
from vis_bench.setup.config import override
from vis_bench.setup.plugins import build_method, load_spec
from vis_bench.setup.protocol import Protocol, Training
from vis_bench.types import Dataset

LAST = "last"
"""Folder of the state after the last step."""
LOSSES = "losses.jsonl"
"""Loss terms of every step to the last bit; the log of a training rounds them, and leaves steps out."""


@dataclass(frozen=True)
class Case:
    """A method's tiny configuration with these values, trained with an average and an auxiliary loss."""

    method: str
    values: dict[str, Any]
    every_iterations: int = 3
    workers: int = 0


def write_videos(folder: Path) -> Path:
    """Four videos of four frames: landscape and portrait, two objects each, the last without any."""
    rng = np.random.default_rng(0)
    videos, annotations = [], []
    for number, (height, width) in enumerate([(64, 96), (96, 64), (64, 96), (96, 64)], start=1):
        names, masks = [], [[], []]
        for t in range(4):
            image = rng.integers(0, 80, (height, width, 3), dtype=np.uint8)
            for k in range(2):
                mask = np.zeros((height, width), np.uint8)
                top, left = 8 + 26 * k + number, 6 + 4 * t + 8 * k
                mask[top : top + 20, left : left + 22] = 1
                if number < 4:
                    image[mask > 0] = (200, 90, 40) if k else (60, 200, 90)
                masks[k].append(mask)
            name = f"v{number}/{t}.png"
            path = folder / "JPEGImages" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(path)
            names.append(name)
        videos.append({"id": number, "width": width, "height": height, "file_names": names})
        if number < 4:
            annotations += [
                {
                    "id": 10 * number + k,
                    "video_id": number,
                    "category_id": k + 1,
                    "segmentations": [rle(mask) for mask in masks[k]],
                }
                for k in range(2)
            ]
    content = {
        "videos": videos,
        "categories": [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}],
        "annotations": annotations,
    }
    write_json(folder / "instances.json", content)
    return folder


def open_videos(folder: Path) -> Dataset:
    return read_dataset(folder / "instances.json", folder / "JPEGImages", "made", "train")


def train_job(case: Case, dataset: Dataset) -> tuple[Any, TrainJob]:
    """A model with the random start of seed 0, and its training."""
    torch.set_num_threads(1)
    spec = load_spec(case.method)
    config = override(spec.configs["tiny"], case.values)
    protocol = Protocol(
        name="p",
        about="",
        config="tiny",
        training=Training(
            ema_decay=0.9,
            auxiliary="methods.layers.auxiliary:SemanticHead",
            auxiliary_weight=0.5,
            checkpoint_every_iterations=case.every_iterations,
        ),
    )
    seed_everything(0)
    model = build_method(spec, config, len(dataset.categories))
    later = tuple(getattr(config, "later_training", ()))
    return model, TrainJob(
        config.train, dataset, protocol, 0, "cpu", later_training=later, workers=case.workers
    )


def _rank(case: Case, videos: Path, out: Path, rank: int, size: int, stop_after: int | None) -> None:
    if rank:
        # what it says when the leader is gone
        os.close(2)
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    model, job = train_job(case, open_videos(videos))
    group = (
        ALONE if size == 1 else join(rank, size, "cpu", f"file://{out}/meeting-{os.getppid()}-{stop_after}")
    )

    def progress(stage: str, done: int, total: int) -> None:
        if done == stop_after:
            os._exit(3)  # as a killed process, in the middle of its step

    _watch(out)
    train_method(model, job, out, progress if rank == 0 else silent, group)
    leave(group)


def _watch(out: Path) -> None:
    """In this process, write down the losses of every step, and the state after the last one."""
    keep, write = loop._keep, TrainLog.write

    def keep_last(run: Any, trained: Any, phase: Any, done: int, every_iterations: int) -> None:
        keep(run, trained, phase, done, every_iterations)
        if run.group.leads and done == run.iterations:
            (out / LAST).mkdir()
            save_resume(out / LAST, trained.modules, trained.stepper, phase.number, done, 0.0)

    def write_down(log: TrainLog, entry: LogEntry) -> None:
        if log._writes:
            values = {name: value.hex() for name, value in entry.losses.items()}
            append_text(out / LOSSES, json.dumps([entry.iteration, values]) + "\n")
        write(log, entry)

    loop._keep, TrainLog.write = keep_last, write_down  # type: ignore[method-assign]
    loop.LOG_EVERY_ITERATIONS = 1


def train_on(case: Case, videos: Path, out: Path, devices: int, stop_after: int | None = None) -> None:
    """Train into `out`, or until the leader is killed when it has done `stop_after` iterations."""
    out.mkdir(exist_ok=True)
    context = multiprocessing.get_context("spawn")
    ranks = [
        context.Process(target=_rank, args=(case, videos, out, rank, devices, stop_after))
        for rank in range(devices)
    ]
    for process in ranks:
        process.start()
    ranks[0].join()
    if stop_after is not None:
        for process in ranks[1:]:
            process.kill()
    for process in ranks:
        process.join()
    assert ranks[0].exitcode == (0 if stop_after is None else 3)
    for path in out.glob("meeting-*"):
        path.unlink()


def trained_bytes(out: Path) -> dict[str, bytes]:
    """Every tensor that the training leaves: evaluated weights, and the state after the last step (weights,
    buffers, optimiser, average, auxiliary head)."""
    from safetensors.torch import load_file

    found: dict[str, bytes] = {}

    def add(name: str, value: Any) -> None:
        if isinstance(value, torch.Tensor):
            found[name] = value.contiguous().numpy().tobytes()
        elif isinstance(value, dict):
            for key, entry in value.items():
                add(f"{name}/{key}", entry)
        elif isinstance(value, list | tuple):
            for number, entry in enumerate(value):
                add(f"{name}/{number}", entry)

    add("evaluated", load_file(out / "checkpoint.safetensors"))
    add("state", torch.load(out / LAST / RESUME_NAME, weights_only=True))
    assert any("extra" in name for name in found)
    assert any("average" in name for name in found)
    return found


def losses_of_steps(out: Path) -> dict[int, dict[str, str]]:
    """Loss terms of every step as hexadecimal numbers; a step that was done again must have had the same."""
    found: dict[int, dict[str, str]] = {}
    for iteration, values in map(json.loads, (out / LOSSES).read_text().splitlines()):
        assert found.setdefault(iteration, values) == values
    return found
