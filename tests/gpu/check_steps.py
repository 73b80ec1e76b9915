"""The steps of the check: each does one thing with one method and returns what its record says."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from sync_counts import counted_syncs
from track_agreement import agreement

from vis_bench.data import catalog
from vis_bench.data.shapes.workers import available_processes
from vis_bench.engine import run as engine
from vis_bench.engine.measured_cost import loader_seconds
from vis_bench.engine.process.busy import machine_alone
from vis_bench.engine.process.environment import hardware
from vis_bench.engine.process.precision import precision as computing_in
from vis_bench.engine.speed.assemble import record_of
from vis_bench.engine.speed.gpu import gpu_state
from vis_bench.engine.speed.material import first_frames, timed_videos
from vis_bench.engine.speed.plan import SpeedPlan, SpeedSettings, plan_speed
from vis_bench.engine.speed.scenario import time_repeat
from vis_bench.engine.speed.task import build, place_of
from vis_bench.engine.track import track_video
from vis_bench.engine.training.clips.mixed_clips import training_clips
from vis_bench.engine.training.optimizer import build_optimizer
from vis_bench.errors import MethodError
from vis_bench.records.run import CHECKPOINT_NAME, LOG_NAME
from vis_bench.records.speed import Scenario, SpeedProtocol, SpeedRecord
from vis_bench.setup.config import dotted_keys
from vis_bench.setup.plugins import load_spec

PROTOCOL_NAME = "gpu-check.toml"
# weights stay what they were, so that nothing diverges from random ones; the work is the same
_LEARNING_RATE = 1e-7


@dataclass(frozen=True, slots=True)
class Scale:
    """Paper size on a card, or a pretence on a CPU.

    size: (height, width) of the frames, None as drawn. train_precision, precisions: words of --precision.
    effort: values of SpeedProtocol. batch_size: None leaves the paper's.
    """

    config: str
    device: str
    iterations: int
    videos: int
    frames: int
    size: tuple[int, int] | None
    train_precision: str
    precisions: tuple[str, ...]
    agreement_frames: int
    effort: Mapping[str, Any]
    batch_size: int | None = None
    threads: int = 1


@dataclass(frozen=True, slots=True)
class Bench:
    """Where things lie. data: folder of `check_material`. work: runs and checkpoints, which are not kept."""

    scale: Scale
    data: Path
    work: Path

    def protocol_file(self) -> Path:
        """A protocol without pretraining, so that nothing has to be downloaded."""
        path = self.work / PROTOCOL_NAME
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(
            f'name = "gpu-check"\nabout = "check"\nconfig = "{self.scale.config}"\n'
            f"threads_per_job = {self.scale.threads}\n",
            encoding="utf-8",
        )
        return path

    def checkpoint(self, method: str) -> Path:
        """Weights that the step `train` left. Raises MethodError without them."""
        path = self.work / f"{method}-{CHECKPOINT_NAME}"
        if not path.exists():
            raise MethodError(f"{method}: no weights, its training has not ended well")
        return path

    def plan(self, method: str, word: str, scenario: Scenario = "stream") -> tuple[SpeedPlan, Any]:
        """What `vis-bench speed` would measure, with the weights of the check; and the data."""
        scale = self.scale
        protocol = SpeedProtocol(
            scenario=scenario, device_kind="cuda" if scale.device.startswith("cuda") else "cpu",
            precision=word, threads=scale.threads, repeats=1, short=True, end_to_end_only=True,
            **scale.effort,
        )  # fmt: skip
        settings = SpeedSettings(
            str(self.data), "val", (protocol,), self.work / "speed", scale.device,
            weights=self.checkpoint(method),
        )  # fmt: skip
        plans, dataset = plan_speed([f"{method}@{scale.config}"], settings)
        return plans[0], dataset


class _Kept(engine.Watcher):
    """Remembers where the run lies."""

    outcomes: Sequence[Any] = ()

    def finished(self, sweep: engine.Sweep, outcomes: Sequence[Any]) -> None:
        self.outcomes = outcomes


def train(bench: Bench, method: str) -> dict[str, Any]:
    """Train a few iterations and track one video, as `vis-bench run` does."""
    scale, kept = bench.scale, _Kept()
    config = load_spec(method).configs[scale.config]
    wanted = {
        "train.iterations": scale.iterations,
        "non_key_training.iterations": scale.iterations,
        "train.lr": _LEARNING_RATE,
        "train.warmup_iterations": 0,
        **({"train.batch_size": scale.batch_size} if scale.batch_size else {}),
    }
    known = dotted_keys(config)
    (record,) = engine.run(
        f"{method}@{scale.config}",
        bench.data,
        split="val",
        protocol=bench.protocol_file(),
        overrides={key: value for key, value in wanted.items() if key in known},
        out=bench.work / "runs",
        device=scale.device,
        jobs=1,
        limit=1,
        watcher=kept,
        precision=scale.train_precision,
    )
    if record.status == "failed":
        raise MethodError(str(record.error))
    folder = kept.outcomes[0].run.train_dir
    target = bench.work / f"{method}-{CHECKPOINT_NAME}"
    target.write_bytes((folder / CHECKPOINT_NAME).read_bytes())
    lines = [json.loads(line) for line in (folder / LOG_NAME).read_text(encoding="utf-8").splitlines()]
    phases = (config.train, *getattr(config, "later_training", ()))
    return {
        "iterations": scale.iterations,
        "precision": scale.train_precision,
        "batch_size": scale.batch_size or config.train.batch_size,
        "step_seconds": step_seconds(lines),
        "iterations_of_the_paper": sum(phase.iterations for phase in phases),
        "train_seconds": record.timing.train_seconds if record.timing else None,
        "track_seconds_per_frame": (record.timing.track_seconds or 0.0) / (record.timing.frames or 1)
        if record.timing
        else None,
        "log": lines[-1],
        "parameters": record.parameters,
    }


def step_seconds(lines: Sequence[Mapping[str, Any]]) -> float | None:
    """Seconds of an iteration between the first and the last line of the log; the first one starts things up.

    None with a single line.
    """
    first, last = lines[0], lines[-1]
    if last["iteration"] == first["iteration"]:
        return None
    return (last["seconds"] - first["seconds"]) / (last["iteration"] - first["iteration"])


def one_step(bench: Bench, method: str) -> dict[str, Any]:
    """One training iteration of a shard and a few tracked frames: synchronisations, and peak memory."""
    scale = bench.scale
    plan, dataset = bench.plan(method, scale.train_precision)
    spec, model = build(plan.timing(plan.settings.protocols[0], 0)[0], dataset)
    training = plan.config.train
    clips = scale.batch_size or getattr(training, "shard_clips", None) or training.batch_size
    sampler = _sampler(bench, training)
    shard = [sampler.clip(index).to(scale.device) for index in range(clips)]
    optimizer = build_optimizer(model.train(), training)
    for group in optimizer.param_groups:
        group["lr"] = _LEARNING_RATE
    on_gpu = scale.device.startswith("cuda")

    def step() -> None:
        with computing_in(scale.train_precision, scale.device):
            total = torch.stack(list(model.losses(shard).values())).sum()
        total.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    step()
    if on_gpu:
        torch.cuda.reset_peak_memory_stats(scale.device)
    with counted_syncs(scale.device) as training_syncs:
        step()
    peak = torch.cuda.max_memory_allocated(scale.device) if on_gpu else None
    model.eval()
    video = first_frames(dataset.videos[0], scale.agreement_frames)
    with computing_in(scale.train_precision, scale.device):
        track_video(model, dataset, video, scale.device, spec.info.iou_type)
        with counted_syncs(scale.device) as tracking_syncs:
            track_video(model, dataset, video, scale.device, spec.info.iou_type)
    return {
        "shard_clips": clips,
        "clip_frames": training.sampling.frames,
        "peak_memory_bytes": peak,
        "training_syncs": sum(training_syncs.values()) if on_gpu else None,
        "training_places": dict(training_syncs.most_common(12)),
        "tracking_syncs_per_frame": sum(tracking_syncs.values()) / video.length if on_gpu else None,
        "tracking_places": dict(tracking_syncs.most_common(12)),
        "frames": video.length,
    }


def loading(bench: Bench, method: str) -> dict[str, Any]:
    """Clips of a processor second."""
    config = load_spec(method).configs[bench.scale.config]
    seconds = loader_seconds(_sampler(bench, config.train), at_least=2, seconds=0.5)
    return {"seconds_per_clip": seconds, "clips_per_cpu_second": 1 / seconds}


def _sampler(bench: Bench, training: Any) -> Any:
    dataset = catalog.open_dataset(bench.data, "train")
    return training_clips(dataset, None, training.sampling, training.augmentation, 0, 0)


def agreeing(bench: Bench, method: str) -> dict[str, Any]:
    """Track the same frames with the same weights on the CPU in fp32 and on the device."""
    scale, found = bench.scale, {}
    plan, dataset = bench.plan(method, "fp32")
    task, _ = plan.timing(plan.settings.protocols[0], 0)
    video = first_frames(dataset.videos[0], scale.agreement_frames)

    def tracks(device: str, word: str) -> Any:
        spec, model = build(task.model_copy(update={"device": device}), dataset)
        with computing_in(word, device):
            return track_video(model, dataset, video, device, spec.info.iou_type).tracks

    before = torch.get_num_threads()
    try:
        # only the device is timed elsewhere; the reference may use every processor
        torch.set_num_threads(before if scale.device == "cpu" else available_processes())
        reference = tracks("cpu", "fp32")
    finally:
        torch.set_num_threads(before)
    for word in dict.fromkeys(("fp32", scale.train_precision)):
        found[word] = agreement(reference, tracks(scale.device, word)).values(word)
    return {"frames": video.length, "with_the_cpu_in_fp32": found, "within": found["fp32"]["within"]}


def speed(bench: Bench, method: str, word: str, scenario: Scenario) -> SpeedRecord:
    """A short measurement, in this process; not audited, no stages, and its record says so."""
    plan, dataset = bench.plan(method, word, scenario)
    (protocol,) = plan.settings.protocols
    task, _ = plan.timing(protocol, 0)
    spec, model = build(task, dataset)
    videos = timed_videos(dataset, protocol.frames, protocol.short)
    before = time.perf_counter()
    with machine_alone():
        result = time_repeat(model, spec.info, dataset, videos, place_of(task), protocol)
    facts = {**hardware(task.device, torch.get_num_threads()), **gpu_state(task.device)}
    spent = {"process_seconds": time.perf_counter() - before, "hardware": facts}
    return record_of(plan, protocol, dataset, [{**result, **spent}], None)
