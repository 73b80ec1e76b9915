"""Training one method: deterministic for a seed, resumable, with a log that can be plotted."""

from __future__ import annotations

import json
import math
import pickle
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from vis_bench.data.clips import ClipSampler
from vis_bench.engine.optimizer import MovingAverage, build_optimizer, learning_rate
from vis_bench.engine.progress import Progress
from vis_bench.errors import DataError, MethodError
from vis_bench.files import atomic_path
from vis_bench.method import Clip, TrainConfig
from vis_bench.plugins import load_object
from vis_bench.protocol import Protocol
from vis_bench.records import CHECKPOINT_NAME, LOG_NAME
from vis_bench.seeds import axis_seed
from vis_bench.types import Dataset

RESUME_NAME = "resume.pt"
LOG_EVERY_ITERATIONS = 20


@dataclass(frozen=True, slots=True)
class TrainJob:
    """Everything that decides the weights: what is trained, on what, from what, with which seed."""

    train: TrainConfig
    dataset: Dataset
    protocol: Protocol
    seed: int
    device: str


def seed_everything(value: int) -> None:
    """Seed torch's generators (CPU and CUDA)."""
    torch.manual_seed(value)


class _Auxiliary(nn.Module):
    """The protocol's extra loss; reads the features of the backbone's last call through a hook."""

    def __init__(self, reference: str, backbone: nn.Module, num_classes: int) -> None:
        super().__init__()
        self.head = load_object(reference)(backbone.channels, num_classes)
        self.captured: list[dict[str, Tensor]] = []
        self.hook = backbone.register_forward_hook(
            lambda module, inputs, output: self.captured.append(output)
        )

    def loss(self, clips: list[Clip]) -> Tensor:
        if len(self.captured) != 1:
            raise MethodError(
                f"the auxiliary loss needs one backbone call per training step, not {len(self.captured)}; "
                "switch it off with a protocol without training.auxiliary"
            )
        return self.head.loss(self.captured.pop(), clips)


def train_method(model: Any, job: TrainJob, directory: Path, progress: Progress) -> dict[str, Tensor]:
    """Train `model` and leave checkpoint.safetensors and train.jsonl in `directory`.

    Continues from `resume.pt` when one is there; the result equals that of an undisturbed run, because every
    iteration draws from its own seed. Returns the evaluated weights (the moving average where the protocol
    has one). Raises MethodError when the loss stops being finite.
    """
    directory.mkdir(parents=True, exist_ok=True)
    train, settings = job.train, job.protocol.training
    extra = None
    seed_everything(axis_seed(job.seed, "init", 1))
    if settings.auxiliary is not None and hasattr(model, "backbone"):
        extra = _Auxiliary(settings.auxiliary, model.backbone, len(job.dataset.categories)).to(job.device)
    trained = nn.ModuleDict({"model": model, **({"extra": extra.head} if extra else {})})
    optimizer = build_optimizer(model, train)
    if extra is not None:
        optimizer.add_param_group(
            {"params": list(extra.head.parameters()), "lr_factor": 1.0, "weight_decay": train.weight_decay}
        )
    average = MovingAverage(model, settings.ema_decay) if settings.ema_decay is not None else None
    start, seconds_before = _resume(directory, trained, optimizer, average)
    sampler = ClipSampler(
        job.dataset,
        train.sampling,
        train.augmentation,
        order_seed=axis_seed(job.seed, "data order"),
        augmentation_seed=axis_seed(job.seed, "augmentation"),
    )
    log = _Log(directory / LOG_NAME, start)
    begin = time.perf_counter()
    model.train()
    for iteration in range(start, train.iterations):
        first = iteration * train.batch_size
        clips = [sampler.clip(first + i).to(job.device) for i in range(train.batch_size)]
        seed_everything(axis_seed(job.seed, "augmentation", iteration + 1))
        terms = model.losses(clips)
        if extra is not None:
            terms = {**terms, "auxiliary": settings.auxiliary_weight * extra.loss(clips)}
        total = torch.stack(list(terms.values())).sum()
        rate = _step(trained, optimizer, total, train, iteration)
        if average is not None:
            average.update(model, iteration)
        if not math.isfinite(total.item()):
            values = {name: value.item() for name, value in terms.items()}
            raise MethodError(f"the loss is not finite at iteration {iteration}: {values}")
        seconds = seconds_before + time.perf_counter() - begin
        if iteration % LOG_EVERY_ITERATIONS == 0 or iteration + 1 == train.iterations:
            log.write(iteration, terms, rate, seconds)
        progress("train", iteration + 1, train.iterations)
        done = iteration + 1
        if done % settings.checkpoint_every_iterations == 0 and done < train.iterations:
            _save_resume(directory, trained, optimizer, average, done, seconds)
    if extra is not None:
        # else every later forward pass would keep its features
        extra.hook.remove()
    weights = average.state if average is not None else model.state_dict()
    save_weights(directory / CHECKPOINT_NAME, weights)
    (directory / RESUME_NAME).unlink(missing_ok=True)
    return weights


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


class _Log:
    """train.jsonl: one JSON object per logged iteration; lines after a resume point are dropped."""

    def __init__(self, path: Path, start: int) -> None:
        self._path = path
        kept: list[str] = []
        if path.exists():
            lines = path.read_text(encoding="utf-8").splitlines()
            kept = [line for line in lines if _complete(line) and json.loads(line)["iteration"] < start]
        path.write_text("".join(line + "\n" for line in kept), encoding="utf-8")

    def write(self, iteration: int, terms: dict[str, Tensor], rate: float, seconds: float) -> None:
        entry: dict[str, Any] = {"iteration": iteration, "lr": rate, "seconds": round(seconds, 3)}
        entry["losses"] = {name: round(value.item(), 6) for name, value in terms.items()}
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")


def _complete(line: str) -> bool:
    """False for a last line that a killed run left half written."""
    try:
        json.loads(line)
    except json.JSONDecodeError:
        return False
    return True


def _save_resume(
    directory: Path,
    trained: nn.Module,
    optimizer: torch.optim.Optimizer,
    average: MovingAverage | None,
    iteration: int,
    seconds: float,
) -> None:
    state = {
        "trained": trained.state_dict(),
        "optimizer": optimizer.state_dict(),
        "average": average.state if average is not None else None,
        "iteration": iteration,
        "seconds": seconds,
    }
    with atomic_path(directory / RESUME_NAME) as temporary:
        torch.save(state, temporary)


def _resume(
    directory: Path,
    trained: nn.Module,
    optimizer: torch.optim.Optimizer,
    average: MovingAverage | None,
) -> tuple[int, float]:
    """Load resume.pt when present; returns (next iteration, seconds already spent)."""
    path = directory / RESUME_NAME
    if not path.exists():
        return 0, 0.0
    state = torch.load(path, map_location="cpu", weights_only=True)
    trained.load_state_dict(state["trained"])
    optimizer.load_state_dict(state["optimizer"])
    if average is not None:
        for name, value in state["average"].items():
            average.state[name].copy_(value)
    return state["iteration"], state["seconds"]


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
