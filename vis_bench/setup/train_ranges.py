"""What the numbers of a training may be, so that none is found out by hours of nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from vis_bench.errors import UsageError
from vis_bench.method import TrainConfig
from vis_bench.setup.schedule import phases_of

# dotted key of a TrainConfig: smallest and largest value, None for no bound
_RANGES: dict[str, tuple[float | None, float | None]] = {
    "iterations": (1, None),
    "batch_size": (1, None),
    "lr": (0, None),
    "weight_decay": (0, None),
    "momentum": (0, 1),
    "norm_weight_decay": (0, None),
    "backbone_lr_factor": (0, None),
    "warmup_iterations": (0, None),
    "warmup_factor": (0, 1),
    "grad_clip_norm": (0, None),
    "shard_clips": (1, None),
    "from_imagenet_lr": (0, None),
    "sampling.frames": (1, None),
    "sampling.window": (1, None),
    "augmentation.max_long_side": (1, None),
    "augmentation.flip": (0, 1),
    "augmentation.crop.0": (0, 1),
    "augmentation.crop.1": (0, 1),
}


def require_trainable(config: Any, label: str) -> None:
    """Refuse a training of no step, no clip or a probability above 1. Raises UsageError naming the key.

    config: of a method; the values of later phases count too. label: of the run, for the message.
    """
    for number, train in enumerate(phases_of(config)):
        for key, value in _values(train):
            least, most = _RANGES[key]
            bound = f"at least {least} is needed" if least is not None and value < least else ""
            if not bound and most is not None and value > most:
                bound = f"at most {most} is meant"
            if bound:
                where = f"train.{key}" if number == 0 else f"{key} of phase {number}"
                raise UsageError(f"{label}: {where} is {value:g}, {bound}. Set another value with --set.")


def _values(train: TrainConfig) -> Iterator[tuple[str, float]]:
    """The numbers that have a range; None, which switches something off, is left out."""
    for key in _RANGES:
        value: Any = train
        for name in key.split("."):
            value = value[int(name)] if name.isdigit() else getattr(value, name)
        if value is not None:
            yield key, value
