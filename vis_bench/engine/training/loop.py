"""Training one method: deterministic for a seed, resumable, on any number of devices."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from vis_bench.data.extra import ExtraImages, PseudoMotion
from vis_bench.engine.process.environment import device_name
from vis_bench.engine.process.progress import Progress
from vis_bench.engine.training.auxiliary import Auxiliary
from vis_bench.engine.training.clips.mixed_clips import training_clips
from vis_bench.engine.training.group import ALONE, Group
from vis_bench.engine.training.interrupts import Interrupts, listening
from vis_bench.engine.training.kernels import KernelWatch
from vis_bench.engine.training.loader import WaitClock, shard_batches
from vis_bench.engine.training.log import LogEntry, TrainLog
from vis_bench.engine.training.optimizer import MovingAverage, build_optimizer
from vis_bench.engine.training.shards import Shards, shards_of
from vis_bench.engine.training.state import RESUME_NAME, ResumeState, read_resume, restore, save_resume
from vis_bench.engine.training.step import Trained, mean_terms, require_finite, train_step
from vis_bench.engine.training.stepping import Stepper
from vis_bench.engine.training.weights import save_weights
from vis_bench.errors import MethodError
from vis_bench.method import TrainConfig
from vis_bench.records.run import CHECKPOINT_NAME, LOG_NAME
from vis_bench.setup.protocol import Protocol
from vis_bench.setup.seeds import axis_seed
from vis_bench.types import Dataset

LOG_EVERY_ITERATIONS = 20
SAVE_EVERY_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class TrainJob:
    """Everything that decides the weights: what is trained, on what, from what, with which seed.

    device: of this process. stills: where the data set is of single images, how the frames that a clip makes
    of one move; None for videos. extra: images mixed into the videos of `dataset`. later_training: the phases
    after the first, in order; empty for a method that is trained in one. in_order: sum the gradients of the
    shards in one order, so that the number of devices changes no byte; costs memory and time with several.
    workers: processes that make the clips, 0 for this one; any number makes the same. scale_gradients: for
    fp16, whose small gradients would vanish.
    """

    train: TrainConfig
    dataset: Dataset
    protocol: Protocol
    seed: int
    device: str
    stills: PseudoMotion | None = None
    extra: ExtraImages | None = None
    later_training: tuple[TrainConfig, ...] = ()
    in_order: bool = True
    workers: int = 0
    scale_gradients: bool = False


@dataclass(frozen=True, slots=True)
class _Phase:
    """One phase. first_iteration, first_clip: how many of either the phases before it have had."""

    number: int
    train: TrainConfig
    shards: Shards
    first_iteration: int
    first_clip: int


@dataclass
class _Run:
    """What all phases share. iterations: of all phases. begin: clock at the start less earlier seconds.

    saved, logged_seconds, logged_iterations: when the state was kept last, and what the last entry of the log
    was about, with the seconds that clock had then.
    """

    directory: Path
    log: TrainLog
    progress: Progress
    iterations: int
    begin: float
    group: Group
    interrupts: Interrupts
    device: str
    saved: float
    logged_iterations: int
    logged_seconds: float
    clock: WaitClock
    kernels: KernelWatch
    logged_wait: float = 0.0

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self.begin


def _phases(job: TrainJob) -> list[_Phase]:
    phases, iterations, clips = [], 0, 0
    for number, train in enumerate((job.train, *job.later_training)):
        phases.append(_Phase(number, train, shards_of(train), iterations, clips))
        iterations += train.iterations
        clips += train.iterations * train.batch_size
    return phases


def seed_everything(value: int) -> None:
    """Seed torch's generators (CPU and CUDA)."""
    torch.manual_seed(value)


def train_method(
    model: Any, job: TrainJob, directory: Path, progress: Progress, group: Group = ALONE
) -> dict[str, Tensor]:
    """Train `model` and leave checkpoint.safetensors and train.jsonl in `directory`.

    group: processes that call this alike, each with its own device; the first one writes. A later phase
    starts from the evaluated weights of the phase before it, after `model.enter_phase(number)`. Continues
    from `resume.pt` when one is there; the result equals that of an undisturbed run, because every shard of
    every iteration draws from its own seed. The state is kept every five minutes, every
    `training.checkpoint_every_iterations` of the protocol, and when a signal asks to end. Returns the
    evaluated weights (the moving average where the protocol has one). Raises MethodError when the loss stops
    being finite, and when a method with later phases cannot enter one or has nothing left to train in it.
    """
    directory.mkdir(parents=True, exist_ok=True)
    if job.later_training and not callable(getattr(model, "enter_phase", None)):
        raise MethodError("the configuration has later_training, but the method has no enter_phase(number)")
    phases = _phases(job)
    resumed = read_resume(directory)
    # nobody goes on before all have read
    group.gather(None)
    start, earlier = (resumed["iteration"], resumed["seconds"]) if resumed else (0, 0.0)
    log = TrainLog(directory / LOG_NAME, start, device_name(job.device), group.leads)
    with listening() as interrupts:
        run = _Run(
            directory,
            log,
            progress,
            sum(phase.train.iterations for phase in phases),
            time.perf_counter() - earlier,
            group,
            interrupts,
            job.device,
            saved=earlier,
            logged_iterations=start,
            logged_seconds=earlier,
            clock=WaitClock(),
            kernels=KernelWatch(job.device),
        )
        weights = _train_phases(model, job, phases, resumed, run)
    model.to(memory_format=torch.contiguous_format)
    if group.leads:
        save_weights(directory / CHECKPOINT_NAME, weights)
        (directory / RESUME_NAME).unlink(missing_ok=True)
    log.close()
    return weights


def _train_phases(
    model: Any, job: TrainJob, phases: Sequence[_Phase], resumed: ResumeState | None, run: _Run
) -> dict[str, Tensor]:
    seed_everything(axis_seed(job.seed, "init", 1))
    # convolutions of a training step take up to a tenth less time; those of inference do not, see the end
    model.to(memory_format=torch.channels_last)
    extra = None
    auxiliary = job.protocol.training.auxiliary
    if auxiliary is not None and hasattr(model, "backbone"):
        extra = Auxiliary(auxiliary, model.backbone, len(job.dataset.categories)).to(job.device)
    weights: dict[str, Tensor] = {}
    for phase in phases:
        if phase.number > 0:
            if weights:
                model.load_state_dict(weights)
            seed_everything(axis_seed(job.seed, "init", 1 + phase.number))
            model.enter_phase(phase.number)
        if resumed is not None and resumed["phase"] > phase.number:
            continue
        weights = _train_phase(model, extra, job, phase, resumed, run)
        resumed = None
    return weights


def _train_phase(
    model: Any, extra: Auxiliary | None, job: TrainJob, phase: _Phase, resumed: ResumeState | None, run: _Run
) -> dict[str, Tensor]:
    """Train one phase, from where `resumed` stopped in it; returns the evaluated weights."""
    train, settings = phase.train, job.protocol.training
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise MethodError(f"phase {phase.number} of the training has no parameter to train")
    modules = nn.ModuleDict({"model": model, **({"extra": extra.head} if extra else {})})
    # what this phase has frozen would keep its last gradient, and count where gradients are clipped
    modules.zero_grad(set_to_none=True)
    on_device = job.device.startswith("cuda")
    optimizer = build_optimizer(model, train, fused_sgd=on_device)
    if extra is not None and not any(parameter.requires_grad for parameter in model.backbone.parameters()):
        # a frozen backbone learns nothing from it
        extra = None
    if extra is not None:
        optimizer.add_param_group(
            {"params": list(extra.head.parameters()), "lr_factor": 1.0, "weight_decay": train.weight_decay}
        )
    average = MovingAverage(model, settings.ema_decay) if settings.ema_decay is not None else None
    stepper = Stepper(model, optimizer, average, train, on_device, job.scale_gradients, job.device)
    if resumed is not None:
        restore(resumed, modules, stepper, run.directory)
    trained = Trained(
        model,
        extra,
        modules,
        stepper,
        phase.shards,
        run.group,
        job.device,
        job.seed,
        phase.first_iteration,
        job.in_order,
        settings.auxiliary_weight,
    )
    sampler = training_clips(
        job.dataset,
        job.extra,
        train.sampling,
        train.augmentation,
        order_seed=axis_seed(job.seed, "data order"),
        augmentation_seed=axis_seed(job.seed, "augmentation"),
        stills=job.stills,
    )
    start = resumed["iteration"] if resumed is not None else phase.first_iteration
    end = phase.first_iteration + train.iterations
    own = phase.shards.of(run.group.rank, run.group.size)
    numbers = (
        list(phase.shards.indices(phase.first_clip + within * train.batch_size, shard))
        for within in range(start - phase.first_iteration, train.iterations)
        for shard in own
    )
    clips: Any = shard_batches(sampler, numbers, job.workers, pin=on_device, clock=run.clock)
    model.train()
    with closing(clips), nullcontext() if extra is None else extra.listening(model.backbone):
        for iteration in range(start, end):
            batches = {shard: next(clips) for shard in own}
            with run.kernels.step(phase.number, [clip for clips in batches.values() for clip in clips]):
                terms, rate = train_step(trained, batches, iteration)
            done = iteration + 1
            if iteration % LOG_EVERY_ITERATIONS == 0 or done == end:
                require_finite(trained, iteration, terms)
                _write_log(run, phase, iteration, terms, rate)
            run.progress("train", done, run.iterations)
            _keep(run, trained, phase, done, settings.checkpoint_every_iterations)
    return average.state if average is not None else model.state_dict()


def _write_log(
    run: _Run, phase: _Phase, iteration: int, terms: dict[int, dict[str, Tensor]], rate: float
) -> None:
    means = mean_terms(terms, run.group)
    steps, seconds = iteration + 1 - run.logged_iterations, run.seconds
    entry = LogEntry(
        iteration,
        phase.number,
        rate,
        seconds,
        means,
        clips_per_second=steps * phase.train.batch_size / max(seconds - run.logged_seconds, 1e-9),
        waiting_seconds=run.clock.seconds - run.logged_wait,
        device_memory_bytes=_most_memory(run.device),
        without_deterministic_kernel=run.kernels.names,
    )
    run.logged_iterations, run.logged_seconds = iteration + 1, seconds
    run.logged_wait = run.clock.seconds
    run.log.write(entry)


def _most_memory(device: str) -> int | None:
    return torch.cuda.max_memory_allocated(device) if device.startswith("cuda") else None


def _keep(run: _Run, trained: Trained, phase: _Phase, done: int, every_iterations: int) -> None:
    """Save the state where it is time, and end where a signal has asked for it."""
    # only the leader can answer the signal to save; the others would look at the loss in each step from it on
    asked = (run.interrupts.save and run.group.leads) or run.interrupts.ended_by is not None
    due = done % every_iterations == 0 or run.seconds - run.saved >= SAVE_EVERY_SECONDS
    if done < run.iterations and (asked or due):
        require_finite(trained, done - 1, {})
        if run.group.leads:
            save_resume(run.directory, trained.modules, trained.stepper, phase.number, done, run.seconds)
            run.interrupts.saved()
        # on every process, or those that write nothing would wait for their device in each step
        run.saved = run.seconds
    run.interrupts.raise_if_ended()
