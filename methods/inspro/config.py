"""Configurations of InsPro. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from methods.layers.backbone_config import BackboneConfig
from methods.layers.backbone_variants import RESNET101
from vis_bench.errors import UsageError, did_you_mean
from vis_bench.method import Augmentation, ClipSampling, TrainConfig


@dataclass(frozen=True, slots=True)
class LossWeights:
    """Weights of Eq 3 (matching: classes, l1, giou) and Eq 4 to 6 (loss).

    dedup_beta: squared centre distance over squared diagonal below which a box is pushed. dedup_count: k,
    unmatched boxes considered per object.
    """

    classes: float = 2.0
    l1: float = 5.0
    giou: float = 2.0
    dedup: float = 1.0
    dice: float = 5.0
    mask_focal: float = 5.0
    dedup_beta: float = 0.1
    dedup_count: int = 5


@dataclass(frozen=True, slots=True)
class InsProConfig:
    """Everything that decides what InsPro computes.

    Sizes: pyramid_levels (backbone features under the pyramid, finest first), queries (N), dim (C), stages,
    heads, feedforward, dynamic_hidden, roi_resolution (cells per side), roi_canonical_size (px, box side that
    reads P4), box_output_gain (factor on the initial weights of the box output), mask_hidden, mask_levels
    (finest first; the stride of the mask features is that of the first).

    Ablations (Table 2a to 2c): propagate_query, propagate_proposal, consistent_matching, dedup, bank.
    Baseline A has all five off.

    bank_length: T of Eq 1, frames including the current one; 1 bypasses the attention.
    test_short_side, test_max_long_side: px, None keeps the frame's size. presence_threshold: a slot has a
    mask in a frame where its largest class probability is at least this. Other fields: see `choices.py`.
    """

    train: TrainConfig
    backbone: BackboneConfig = field(default_factory=BackboneConfig)
    pyramid_levels: tuple[str, ...] = ("res2", "res3", "res4", "res5")
    queries: int = 100
    dim: int = 256
    stages: int = 6
    heads: int = 8
    feedforward: int = 2048
    dynamic_hidden: int = 64
    roi_resolution: int = 7
    roi_canonical_size: float = 224.0
    box_output_gain: float = 1.0
    mask_hidden: int = 128
    mask_levels: tuple[str, ...] = ("p3", "p4", "p5")
    weights: LossWeights = field(default_factory=LossWeights)

    propagate_query: bool = True
    propagate_proposal: bool = True
    consistent_matching: bool = True
    dedup: bool = True
    bank: bool = True

    bank_length: int = 18
    bank_weights: Literal["per_query", "per_channel"] = "per_query"
    proposal_init: Literal["image", "grid"] = "image"
    query_init: Literal["normal", "shared"] = "normal"
    coordinate_scale: Literal["size_of_interest", "pixels", "box_size"] = "size_of_interest"
    mask_stages: Literal["all", "last"] = "all"
    generator: Literal["linear", "mlp"] = "linear"
    stage_matching: Literal["own", "shared"] = "own"
    vanished: Literal["background", "ignore"] = "background"
    clip_training_proposals: bool = False

    test_short_side: int | None = 360
    test_max_long_side: int = 640
    presence_threshold: float = 0.05
    sequence_score: Literal["mean_all", "mean_active", "max"] = "mean_all"
    tracks_per_video: int = 10

    def __post_init__(self) -> None:
        for name, hint in get_type_hints(type(self)).items():
            if get_origin(hint) is Literal and getattr(self, name) not in get_args(hint):
                value = getattr(self, name)
                raise UsageError(
                    f"inspro: {name} is {value!r}, which is no known choice."
                    + did_you_mean(str(value), get_args(hint))
                )
        if self.dim % self.heads:
            raise UsageError(f"inspro: dim {self.dim} must be a multiple of heads {self.heads}.")
        for name in ("queries", "stages", "bank_length", "tracks_per_video"):
            if getattr(self, name) < 1:
                raise UsageError(f"inspro: {name} is {getattr(self, name)}; it must be at least 1.")
        if not 0 <= self.presence_threshold <= 1:
            raise UsageError(
                f"inspro: presence_threshold is {self.presence_threshold}; it is a probability in 0..1."
            )

    @property
    def frames_attended(self) -> int:
        """Length of the bank in force: 1, meaning no attention, when `bank` is off."""
        return self.bank_length if self.bank else 1


PAPER = InsProConfig(
    train=TrainConfig(
        iterations=32_000,
        batch_size=8,
        shard_clips=1,
        optimizer="adamw",
        lr=2.5e-5,
        from_imagenet_lr=1e-4,
        weight_decay=1e-4,
        schedule="step",
        lr_steps=(24_000, 28_000),
        warmup_iterations=1000,
        warmup_factor=0.01,
        grad_clip_norm=1.0,
        sampling=ClipSampling(frames=3, window=None, ordered=True),
        augmentation=Augmentation(short_sides=tuple(range(288, 513, 32)), flip=0.5),
    )
)

TINY = InsProConfig(
    train=TrainConfig(
        iterations=1000,
        batch_size=4,
        optimizer="adamw",
        lr=2e-3,
        # at the rate that the new heads need, the backbone loses what it was pretrained for
        backbone_lr_factor=0.1,
        weight_decay=1e-4,
        schedule="cosine",
        warmup_iterations=50,
        grad_clip_norm=1.0,
        sampling=ClipSampling(frames=3, window=4, ordered=True),
        augmentation=Augmentation(flip=0.5),
    ),
    backbone=BackboneConfig(name="small", frozen_stages=0, frozen_norm=False),
    queries=12,
    dim=64,
    stages=2,
    pyramid_levels=("res3", "res4", "res5"),
    heads=4,
    feedforward=128,
    dynamic_hidden=16,
    roi_resolution=5,
    roi_canonical_size=112.0,
    box_output_gain=0.0,
    mask_hidden=32,
    mask_levels=("p3", "p4", "p5"),
    proposal_init="grid",
    query_init="shared",
    test_short_side=None,
)

QUICK = replace(TINY, train=replace(TINY.train, iterations=360, warmup_iterations=20))

BASELINE: Mapping[str, bool] = MappingProxyType(
    {
        "propagate_query": False,
        "propagate_proposal": False,
        "consistent_matching": False,
        "dedup": False,
        "bank": False,
    }
)
_B = {**BASELINE, "propagate_query": True, "propagate_proposal": True}

# Rows A to E of Table 2(a), which have neither box deduplication nor a bank. Table 2(b): C, and T1, which has
# deduplication. Table 2(c): T1 to T36. `no-bank` is T1 by another name; `no-dedup` keeps the bank, unlike
# any row of the paper.
VARIANTS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "A": BASELINE,
        "B": _B,
        "C": {**_B, "consistent_matching": True},
        "D": {**BASELINE, "propagate_query": True, "consistent_matching": True},
        "E": {**BASELINE, "propagate_proposal": True, "consistent_matching": True},
        "no-dedup": {"dedup": False},
        "no-bank": {"bank": False},
        **{f"T{frames}": {"bank_length": frames} for frames in (1, 9, 18, 27, 36)},
        **RESNET101,
    }
)

CONFIGS: Mapping[str, InsProConfig] = MappingProxyType({"paper": PAPER, "tiny": TINY, "quick": QUICK})
