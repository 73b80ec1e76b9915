"""Configurations of InsPro-lite. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from types import MappingProxyType
from typing import Any, Literal

from methods.inspro import config as inspro
from methods.inspro.config import InsProConfig
from vis_bench.errors import UsageError
from vis_bench.method import TrainConfig


@dataclass(frozen=True, slots=True)
class NonKeyTraining:
    """The second phase: iterations, lr (initial rate), lr_steps and warmup_iterations as in TrainConfig.

    Optimiser, schedule, batch size and augmentation are those of the first phase.
    """

    iterations: int = 16_000
    lr: float = 2.5e-5
    lr_steps: tuple[int, ...] = (12_000, 14_000)
    warmup_iterations: int = 1000


@dataclass(frozen=True, slots=True)
class InsProLiteConfig(InsProConfig):
    """InsPro's configuration, and what the frames between key frames need.

    key_interval: K, frames from one key frame to the next; 1 is InsPro. clip_order: frames of a training clip
    of the second phase in time, K key, N non-key. Others: see `choices.py`.
    """

    key_interval: int = 10
    clip_order: Literal["KNKNK", "KKKNN"] = "KNKNK"
    non_key_init: Literal["last_stage", "random"] = "last_stage"
    bank_frames: Literal["key", "all"] = "key"
    non_key_training: NonKeyTraining = field(default_factory=NonKeyTraining)

    def __post_init__(self) -> None:
        InsProConfig.__post_init__(self)
        if self.key_interval < 1:
            raise UsageError(f"inspro_lite: key_interval is {self.key_interval}; it must be at least 1.")
        if not (self.propagate_query and self.propagate_proposal):
            raise UsageError(
                "inspro_lite: propagate_query and propagate_proposal must be on; a non-key frame refines "
                "what the frame before it left."
            )

    @property
    def later_training(self) -> tuple[TrainConfig, ...]:
        """The second phase; none where every frame is a key frame."""
        if self.key_interval == 1:
            return ()
        phase = self.non_key_training
        return (
            replace(
                self.train,
                iterations=phase.iterations,
                lr=phase.lr,
                lr_steps=phase.lr_steps,
                warmup_iterations=phase.warmup_iterations,
                sampling=replace(self.train.sampling, frames=len(self.clip_order)),
            ),
        )


def _lite(config: InsProConfig, **changes: Any) -> InsProLiteConfig:
    values = {entry.name: getattr(config, entry.name) for entry in fields(config)}
    return InsProLiteConfig(**(values | changes))


PAPER = _lite(inspro.PAPER)
TINY = _lite(
    inspro.TINY,
    # both phases together cost less than InsPro's 1000 iterations
    train=replace(inspro.TINY.train, iterations=700),
    non_key_training=NonKeyTraining(iterations=200, lr=1e-3, lr_steps=(), warmup_iterations=10),
)
QUICK = replace(
    TINY,
    train=replace(TINY.train, iterations=290, warmup_iterations=20),
    non_key_training=replace(TINY.non_key_training, iterations=150),
)

CONFIGS: Mapping[str, InsProLiteConfig] = MappingProxyType({"paper": PAPER, "tiny": TINY, "quick": QUICK})

# rows of Table 3, then the alternatives of D17
VARIANTS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        **{f"K{interval}": {"key_interval": interval} for interval in (1, 5, 10, 15)},
        "KKKNN": {"clip_order": "KKKNN"},
        "random-init": {"non_key_init": "random"},
        "bank-all": {"bank_frames": "all"},
    }
)


def frame_shares(config: InsProLiteConfig) -> tuple[float, float]:
    """Shares of a key frame and of a frame after it in the mean cost of a frame."""
    return 1 / config.key_interval, 1 - 1 / config.key_interval


def detection_frames(config: InsProLiteConfig, phase: int) -> int:
    """Frames of a training clip with a loss: all of the first phase, the non-key ones of the second."""
    return config.clip_order.count("N") if phase else config.train.sampling.frames
