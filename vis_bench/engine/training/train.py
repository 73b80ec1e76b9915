"""Training one method: deterministic for a seed, resumable, with a log that can be plotted."""

from __future__ import annotations

import math
import pickle
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from vis_bench.data.extra import ExtraImages
from vis_bench.engine.process.environment import device_name
from vis_bench.engine.process.progress import Progress
from vis_bench.engine.training.clips.mixed_clips import training_clips
from vis_bench.engine.training.optimizer import MovingAverage, build_optimizer, learning_rate
from vis_bench.engine.training.state import (
    RESUME_NAME,
    ResumeState,
    TrainLog,
    read_resume,
    restore,
    save_resume,
)
from vis_bench.errors import DataError, MethodError
from vis_bench.files import atomic_path
from vis_bench.method import Clip, TrainConfig
from vis_bench.records.run import CHECKPOINT_NAME, LOG_NAME
from vis_bench.setup.plugins import load_object
from vis_bench.setup.protocol import Protocol
from vis_bench.setup.seeds import axis_seed
from vis_bench.types import Dataset

LOG_EVERY_ITERATIONS = 20


@dataclass(frozen=True, slots=True)
class TrainJob:
    """Everything that decides the weights: what is trained, on what, from what, with which seed.

    extra: images mixed into the videos of `dataset`. later_training: the phases after the first, in order;
    empty for a method that is trained in one.
    """

    train: TrainConfig
    dataset: Dataset
    protocol: Protocol
    seed: int
    device: str
    extra: ExtraImages | None = None
    later_training: tuple[TrainConfig, ...] = ()


@dataclass(frozen=True, slots=True)
class _Phase:
    """One phase. first_iteration, first_clip: how many of either the phases before it have had."""

    number: int
    train: TrainConfig
    first_iteration: int
    first_clip: int


@dataclass(frozen=True, slots=True)
class _Run:
    """What all phases share. iterations: of all phases. begin: clock at the start less earlier seconds."""

    directory: Path
    log: TrainLog
    progress: Progress
    iterations: int
    begin: float


def _phases(job: TrainJob) -> list[_Phase]:
    phases, iterations, clips = [], 0, 0
    for number, train in enumerate((job.train, *job.later_training)):
        phases.append(_Phase(number, train, iterations, clips))
        iterations += train.iterations
        clips += train.iterations * train.batch_size
    return phases


def seed_everything(value: int) -> None:
    """Seed torch's generators (CPU and CUDA)."""
    torch.manual_seed(value)


class _Auxiliary(nn.Module):
    """The protocol's extra loss; reads the features of the backbone's last call through a hook."""

    def __init__(self, reference: str, backbone: nn.Module, num_classes: int) -> None:
        super().__init__()
        self.head = load_object(reference)(backbone.channels, num_classes)
        self.captured: list[dict[str, Tensor]] = []

    @contextmanager
    def listening(self, backbone: nn.Module) -> Iterator[None]:
        """Keep the features of every call of the backbone inside the block, and of none outside it."""
        hook = backbone.register_forward_hook(lambda module, inputs, output: self.captured.append(output))
        try:
            yield
        finally:
            hook.remove()
            self.captured.clear()

    def loss(self, clips: list[Clip]) -> Tensor:
        if len(self.captured) != 1:
            raise MethodError(
                f"the auxiliary loss needs one backbone call per training step, not {len(self.captured)}; "
                "switch it off with a protocol without training.auxiliary"
            )
        return self.head.loss(self.captured.pop(), clips)


def train_method(model: Any, job: TrainJob, directory: Path, progress: Progress) -> dict[str, Tensor]:
    """Train `model` and leave checkpoint.safetensors and train.jsonl in `directory`.

    A later phase starts from the evaluated weights of the phase before it, after `model.enter_phase(number)`.
    Continues from `resume.pt` when one is there; the result equals that of an undisturbed run, because every
    iteration draws from its own seed. Returns the evaluated weights (the moving average where the protocol
    has one). Raises MethodError when the loss stops being finite, and when a method with later phases cannot
    enter one or has nothing left to train in it.
    """
    directory.mkdir(parents=True, exist_ok=True)
    if job.later_training and not callable(getattr(model, "enter_phase", None)):
        raise MethodError("the configuration has later_training, but the method has no enter_phase(number)")
    resumed, phases = read_resume(directory), _phases(job)
    run = _Run(
        directory,
        TrainLog(directory / LOG_NAME, resumed["iteration"] if resumed else 0, device_name(job.device)),
        progress,
        sum(phase.train.iterations for phase in phases),
        time.perf_counter() - (resumed["seconds"] if resumed else 0.0),
    )
    seed_everything(axis_seed(job.seed, "init", 1))
    # convolutions of a training step take up to a tenth less time; those of inference do not, see the end
    model.to(memory_format=torch.channels_last)
    extra = None
    auxiliary = job.protocol.training.auxiliary
    if auxiliary is not None and hasattr(model, "backbone"):
        extra = _Auxiliary(auxiliary, model.backbone, len(job.dataset.categories)).to(job.device)
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
    model.to(memory_format=torch.contiguous_format)
    save_weights(directory / CHECKPOINT_NAME, weights)
    (directory / RESUME_NAME).unlink(missing_ok=True)
    return weights


def _train_phase(
    model: Any, extra: _Auxiliary | None, job: TrainJob, phase: _Phase, resumed: ResumeState | None, run: _Run
) -> dict[str, Tensor]:
    """Train one phase, from where `resumed` stopped in it; returns the evaluated weights."""
    train, settings = phase.train, job.protocol.training
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise MethodError(f"phase {phase.number} of the training has no parameter to train")
    trained = nn.ModuleDict({"model": model, **({"extra": extra.head} if extra else {})})
    optimizer = build_optimizer(model, train)
    if extra is not None and not any(parameter.requires_grad for parameter in model.backbone.parameters()):
        # a frozen backbone learns nothing from it
        extra = None
    if extra is not None:
        optimizer.add_param_group(
            {"params": list(extra.head.parameters()), "lr_factor": 1.0, "weight_decay": train.weight_decay}
        )
    average = MovingAverage(model, settings.ema_decay) if settings.ema_decay is not None else None
    if resumed is not None:
        restore(resumed, trained, optimizer, average)
    sampler = training_clips(
        job.dataset,
        job.extra,
        train.sampling,
        train.augmentation,
        order_seed=axis_seed(job.seed, "data order"),
        augmentation_seed=axis_seed(job.seed, "augmentation"),
    )
    start = resumed["iteration"] if resumed is not None else phase.first_iteration
    end = phase.first_iteration + train.iterations
    model.train()
    with nullcontext() if extra is None else extra.listening(model.backbone):
        for iteration in range(start, end):
            within = iteration - phase.first_iteration
            first = phase.first_clip + within * train.batch_size
            clips = [sampler.clip(first + i).to(job.device) for i in range(train.batch_size)]
            seed_everything(axis_seed(job.seed, "augmentation", iteration + 1))
            terms = model.losses(clips)
            if extra is not None:
                terms = {**terms, "auxiliary": settings.auxiliary_weight * extra.loss(clips)}
            total = torch.stack(list(terms.values())).sum()
            rate = _step(trained, optimizer, total, train, within)
            if average is not None:
                average.update(model, within)
            if not math.isfinite(total.item()):
                values = {name: value.item() for name, value in terms.items()}
                raise MethodError(f"the loss is not finite at iteration {iteration}: {values}")
            done, seconds = iteration + 1, time.perf_counter() - run.begin
            if iteration % LOG_EVERY_ITERATIONS == 0 or done == end:
                run.log.write(iteration, phase.number, terms, rate, seconds)
            run.progress("train", done, run.iterations)
            if done % settings.checkpoint_every_iterations == 0 and done < run.iterations:
                save_resume(run.directory, trained, optimizer, average, phase.number, done, seconds)
    return average.state if average is not None else model.state_dict()


def _step(
    trained: nn.ModuleDict,
    optimizer: torch.optim.Optimizer,
    total: Tensor,
    train: TrainConfig,
    iteration: int,
) -> float:
    rate = learning_rate(train, iteration)
    for group in optimizer.param_groups:
        group["lr"] = rate * group["lr_factor"]
    optimizer.zero_grad(set_to_none=True)
    total.backward()
    if train.grad_clip_norm is not None:
        nn.utils.clip_grad_norm_(trained["model"].parameters(), train.grad_clip_norm)
    optimizer.step()
    return rate


def save_weights(path: Path, weights: dict[str, Tensor]) -> None:
    """Write a state dict as safetensors, atomically."""
    plain = {name: value.detach().cpu().clone().contiguous() for name, value in weights.items()}
    with atomic_path(path) as temporary:
        save_file(plain, temporary)


def load_weights(path: Path) -> dict[str, Tensor]:
    """Read a state dict from safetensors, or from a torch file without unpickling objects.

    A torch file may hold the state dict itself or under `state_dict` or `model`. Raises DataError when the
    file is missing, damaged or holds anything else.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such checkpoint.")
    if path.suffix == ".safetensors":
        try:
            return load_file(path)
        except SafetensorError as error:
            raise DataError(f"{path}: not a safetensors file ({error}).") from None
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, ValueError, pickle.UnpicklingError) as error:
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise DataError(f"{path}: cannot be loaded as tensors only (weights_only): {first}") from None
    for key in ("state_dict", "model"):
        if isinstance(state, dict) and isinstance(state.get(key), dict):
            state = state[key]
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise DataError(f"{path}: holds no state dict of tensors.")
    return state
