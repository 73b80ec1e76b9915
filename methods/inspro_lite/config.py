"""Configurations of InsPro-lite and the decisions that the paper leaves open. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from types import MappingProxyType
from typing import Any, Literal

from methods.inspro import config as inspro
from methods.inspro.config import InsProConfig
from vis_bench.errors import UsageError
from vis_bench.method import Choice, TrainConfig


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
    of the second phase in time, K key, N non-key. Others: see `CHOICES`.
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


_OWN = (
    Choice(
        "-",
        "key_interval",
        "paper",
        "K = 10 (Sec 4.2; Table 3 has 1, 5, 10, 15). That the first frame of a video is a key frame is ours: "
        "a non-key frame needs queries and proposals that a frame before it has refined.",
    ),
    Choice(
        "D17",
        "clip_order",
        "ours",
        "A.1 takes three key and two non-key frames of one video and does not order them; alternating in "
        "time, both non-key frames follow a key frame directly.",
    ),
    Choice(
        "D17",
        "non_key_init",
        "ours",
        "A.1 is silent. The non-key head starts from the weights of the last stage, which also reads an "
        "already refined pair.",
    ),
    Choice(
        "D17",
        "non_key_training",
        "ours",
        "A.1 gives no schedule for the second phase: half of the first, same rate, optimiser and "
        "augmentation. The loss is on non-key frames only; nothing trained affects that of a key frame.",
    ),
    Choice(
        "-",
        "bank_frames",
        "ours",
        "Fig 4 has intra-query attention on key frames only; its bank holds the features of those frames.",
    ),
)

CHOICES = (*_OWN, *inspro.CHOICES)
