"""The method under check: how it is found, built, trained for a few steps and copied."""

from __future__ import annotations

import copy
import dataclasses
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from vis_bench.engine.contract.scenes import CLASS_NAMES, as_clip, draw_scene
from vis_bench.engine.training.loop import seed_everything
from vis_bench.engine.training.optimizer import build_optimizer, learning_rate
from vis_bench.errors import DataError, UsageError
from vis_bench.method import Clip, MethodSpec, TrainConfig
from vis_bench.setup.config import choose_config
from vis_bench.setup.plugins import build_method, load_spec, split_variant
from vis_bench.setup.seeds import axis_seed
from vis_bench.weights.load import load_exactly

STEPS = 40
WARMUP_STEPS = 5


@dataclass(frozen=True, slots=True)
class Subject:
    """name: as given on the command line. config: the resolved configuration. class_names: of the drawn
    objects. weights: of foreign code, a file; None for random ones, or those that it brings."""

    name: str
    spec: MethodSpec
    config_name: str
    config: Any
    class_names: tuple[str, ...] = CLASS_NAMES
    weights: Path | None = None

    @property
    def phases(self) -> tuple[TrainConfig, ...]:
        """The training phases, in order."""
        return (self.config.train, *getattr(self.config, "later_training", ()))

    @property
    def clip_frames(self) -> int:
        """Frames of one training clip of the first phase."""
        return self.config.train.sampling.frames

    def build(self, seed: int = 0) -> Any:
        """A new model whose random start is that of `seed`."""
        seed_everything(axis_seed(seed, "init"))
        return build_method(self.spec, self.config, len(self.class_names))

    def as_given(self) -> Any:
        """A new model with the weights of foreign code."""
        model = self.build()
        if self.weights is not None:
            load_exactly(model, self.weights, self.spec, self.config, None)
        return model

    def copy(self, model: Any) -> Any:
        """An independent copy, with whatever the model keeps beside its weights."""
        try:
            return copy.deepcopy(model)
        except RuntimeError:
            # a tensor of the last training step that is still part of a graph cannot be copied
            fresh = self.build()
            fresh.load_state_dict(model.state_dict())
            return fresh.train(model.training)

    def clip(self, seed: int, objects: int, frames: int | None = None, **scene: Any) -> Clip:
        """A training clip of the method's length with so many objects."""
        return as_clip(draw_scene(seed, frames or self.clip_frames, objects, **scene))


def find_subject(name: str, config: str | None, weights: Path | None = None) -> Subject:
    """The method `NAME`, `NAME@CONFIG` or `path/to/file.py:NAME` under a configuration (default `tiny`).

    weights: for foreign code. Raises UsageError for an unknown name or configuration, or for two of them, or
    for weights of another method; MethodError when the method cannot be imported.
    """
    method, variant = split_variant(name)
    spec = load_spec(method)
    chosen, value = choose_config(spec, config or variant, "tiny")
    if weights is not None and (spec.foreign is None or spec.foreign.load is None):
        raise UsageError(f"--weights is for foreign code without weights of its own; {name} is trained here.")
    if weights is not None and not weights.is_file():
        raise DataError(f"{weights}: no such checkpoint (--weights).")
    names: tuple[str, ...] = CLASS_NAMES
    if spec.foreign is not None and spec.foreign.class_names:
        names = spec.foreign.class_names
    elif spec.foreign is not None and spec.foreign.own_number is not None:
        # the classes of foreign code are as many as its weights have
        count = spec.foreign.own_number(value).num_classes
        names = tuple([*CLASS_NAMES, *(f"unused {n}" for n in range(count))][:count])
    return Subject(method, spec, chosen, value, names, weights)


def total_of(terms: dict[str, Tensor]) -> Tensor:
    """The sum that is minimised."""
    return torch.stack(list(terms.values())).sum()


def seeded_losses(model: Any, clips: Sequence[Clip], step: int) -> dict[str, Tensor]:
    """Losses of one training step, with the random numbers that belong to it."""
    seed_everything(axis_seed(0, "augmentation", step))
    return model.losses(list(clips))


@dataclass(frozen=True, slots=True)
class Fit:
    """A model after a few steps on one clip.

    totals: total loss of each step of the first phase. unreached: parameters that were to be trained and got
    no gradient in any step of any phase.
    """

    model: Any
    totals: tuple[float, ...]
    unreached: tuple[str, ...]


def fit(subject: Subject, steps: int = STEPS) -> Fit:
    """Train a new model on one clip for a few steps, in each of its phases; returns it in training mode."""
    model = subject.build()
    totals: list[float] = []
    wanted: dict[str, None] = {}
    reached: set[str] = set()
    for number, phase in enumerate(subject.phases):
        if number > 0:
            model.enter_phase(number)
        clips = [subject.clip(seed=1, objects=2, frames=phase.sampling.frames)]
        wanted |= {name: None for name, p in model.named_parameters() if p.requires_grad}
        amount = steps if number == 0 else WARMUP_STEPS
        found = take_steps(model, [clips] * amount, phase, reached)
        totals = totals or found
    return Fit(model, tuple(totals), tuple(name for name in wanted if name not in reached))


def take_steps(
    model: Any,
    batches: Iterable[Sequence[Clip]],
    phase: TrainConfig,
    reached: set[str] | None = None,
) -> list[float]:
    """An optimiser step on each of the batches with the phase's own optimiser; returns the total of each.

    reached: takes up the names of the parameters that got a gradient. Raises FloatingPointError as soon as a
    total is not finite.
    """
    batches = list(batches)
    steps = len(batches)
    train = dataclasses.replace(
        phase, iterations=steps, warmup_iterations=min(WARMUP_STEPS, phase.warmup_iterations), lr_steps=()
    )
    model.train()
    optimizer = build_optimizer(model, train)
    totals = []
    for step, clips in enumerate(batches):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(train, step) * group["lr_factor"]
        total = total_of(seeded_losses(model, clips, step))
        if not math.isfinite(total.item()):
            raise FloatingPointError(f"the loss is {total.item()} at step {step} of {steps}")
        optimizer.zero_grad(set_to_none=True)
        total.backward()
        if reached is not None:
            reached |= {name for name, p in model.named_parameters() if p.grad is not None}
        if train.grad_clip_norm is not None:
            nn.utils.clip_grad_norm_(model.parameters(), train.grad_clip_norm)
        optimizer.step()
        totals.append(total.item())
    return totals
