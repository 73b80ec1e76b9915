"""Configurations of QueryTrack. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from methods.layers.backbone_config import BackboneConfig
from methods.layers.backbone_variants import swin_variants
from methods.tracking.querytrack_association import QueryTrackRule
from vis_bench.errors import UsageError, did_you_mean
from vis_bench.method import Augmentation, ClipSampling, TrainConfig


@dataclass(frozen=True, slots=True)
class LossWeights:
    """Weights of the terms; classes, l1 and giou are those of the matching (Eq 3) too.

    track_alpha, track_gamma, track_entries: alpha_t at the right entry, gamma and the summed entries of Eq 7.
    """

    classes: float = 2.0
    l1: float = 5.0
    giou: float = 2.0
    dice: float = 8.0
    track: float = 1.0
    track_alpha: float = 0.25
    track_gamma: float = 2.0
    track_entries: Literal["all", "identities", "right"] = "all"


@dataclass(frozen=True, slots=True)
class QueryTrackConfig:
    """Everything that decides what QueryTrack computes.

    Sizes: pyramid_levels (backbone features under the pyramid, finest first), queries (N), dim, stages,
    heads, feedforward, dynamic_hidden (of all dynamic convolutions), box_resolution, mask_resolution and
    track_resolution (RoI cells per side; masks have twice as many), roi_canonical_size (px, box side that
    reads P4), box_output_gain (factor on the initial weights of the box output), mask_channels, mask_convs,
    mask_norm, embedding_width.

    test_short_side, test_max_long_side: px, None keeps the frame's size. Others: see `choices.py`.
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
    box_resolution: int = 7
    mask_resolution: int = 14
    track_resolution: int = 7
    roi_canonical_size: float = 224.0
    box_output_gain: float = 1.0
    mask_channels: int = 256
    mask_convs: int = 4
    mask_norm: Literal["batch", "group"] = "batch"
    embedding_width: int = 256
    track_stages: Literal["all", "last"] = "all"
    reference_boxes: Literal["predicted", "truth"] = "predicted"
    proposal_init: Literal["image", "grid"] = "image"
    query_init: Literal["normal", "shared"] = "normal"
    weights: LossWeights = field(default_factory=LossWeights)

    test_short_side: int | None = 360
    test_max_long_side: int = 640
    detections_per_frame: int = 10
    score_threshold: float = 0.05
    query_once: bool = True
    association: QueryTrackRule = field(default_factory=QueryTrackRule)

    def __post_init__(self) -> None:
        for name, hint in get_type_hints(type(self)).items():
            if get_origin(hint) is Literal and getattr(self, name) not in get_args(hint):
                value = getattr(self, name)
                raise UsageError(
                    f"querytrack: {name} is {value!r}, which is no known choice."
                    + did_you_mean(str(value), get_args(hint))
                )
        if self.dim % self.heads:
            raise UsageError(f"querytrack: dim {self.dim} must be a multiple of heads {self.heads}.")
        for name in ("queries", "stages", "mask_convs", "embedding_width", "detections_per_frame"):
            if getattr(self, name) < 1:
                raise UsageError(f"querytrack: {name} is {getattr(self, name)}; it must be at least 1.")
        if not 0 <= self.score_threshold <= 1:
            raise UsageError(
                f"querytrack: score_threshold is {self.score_threshold}; it is a probability in 0..1."
            )
        if self.mask_norm == "group" and self.mask_channels % 16:
            raise UsageError(
                f"querytrack: mask_channels {self.mask_channels} must be a multiple of 16 for group norm."
            )
        if self.train.sampling.frames != 2:
            raise UsageError(
                f"querytrack: train.sampling.frames is {self.train.sampling.frames}; it trains on pairs (2)."
            )

    @property
    def track_heads(self) -> int:
        """Number of tracking heads: one per stage, or one for the last."""
        return self.stages if self.track_stages == "all" else 1


PAPER = QueryTrackConfig(
    train=TrainConfig(
        # 12 epochs of about 90,200 labelled frames of YouTube-VIS 2021 in batches of 32 pairs
        iterations=33_800,
        batch_size=32,
        shard_clips=4,
        optimizer="adamw",
        lr=1.25e-5,
        from_imagenet_lr=1e-4,
        weight_decay=1e-4,
        schedule="step",
        lr_steps=(25_350, 31_000),
        warmup_iterations=1000,
        warmup_factor=0.001,
        grad_clip_norm=1.0,
        sampling=ClipSampling(frames=2, window=None, ordered=False),
        augmentation=Augmentation(short_sides=tuple(range(320, 801, 32)), max_long_side=1333, flip=0.5),
    )
)

TINY = QueryTrackConfig(
    train=TrainConfig(
        iterations=900,
        batch_size=4,
        optimizer="adamw",
        lr=2e-3,
        # at the rate that the new heads need, the backbone loses what it was pretrained for
        backbone_lr_factor=0.1,
        weight_decay=1e-4,
        schedule="cosine",
        warmup_iterations=50,
        grad_clip_norm=1.0,
        sampling=ClipSampling(frames=2, window=6, ordered=False),
        augmentation=Augmentation(flip=0.5),
    ),
    backbone=BackboneConfig(name="small", frozen_stages=0, frozen_norm=False),
    pyramid_levels=("res3", "res4", "res5"),
    queries=12,
    dim=64,
    stages=2,
    heads=4,
    feedforward=128,
    dynamic_hidden=16,
    box_resolution=5,
    track_resolution=5,
    roi_canonical_size=112.0,
    box_output_gain=0.0,
    mask_channels=32,
    embedding_width=64,
    proposal_init="grid",
    query_init="shared",
    test_short_side=None,
)

QUICK = replace(TINY, train=replace(TINY.train, iterations=250))

CONFIGS: Mapping[str, QueryTrackConfig] = MappingProxyType({"paper": PAPER, "tiny": TINY, "quick": QUICK})

# the challenge entry differs from the R50 baseline in these (Sec 3.2 against 3.3)
_CHALLENGE: Mapping[str, Any] = MappingProxyType(
    {
        "queries": 300,
        "test_short_side": 640,
        "test_max_long_side": 1333,
        "train.augmentation.crop": (0.5, 0.64),
    }
)
# Tables 1 and 3 (QueryInst's Swin-L has windows of 7 cells); then rows D1 to D4
VARIANTS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "queries300": {"queries": 300},
        "challenge": _CHALLENGE,
        "swin-l": {**_CHALLENGE, **swin_variants("l", test_short_side=None)["swin-l"], "backbone.window": 7},
        "one-track-head": {"track_stages": "last"},
        "losers-discarded": {"association.losers": "discard"},
        "no-similarity-gate": {"association.similarity_gate": -1.0},
        **{f"factor-floor{floor}": {"association.factor_floor": floor} for floor in (0.1, 0.2, 0.3, 0.4)},
        "gamma0": {"weights.track_gamma": 0.0},
        "identities-only": {"weights.track_entries": "identities"},
        "right-entry-only": {"weights.track_entries": "right"},
        "track-roi14": {"track_resolution": 14},
        "embedding64": {"embedding_width": 64},
        "reference-truth-boxes": {"reference_boxes": "truth"},
        "mask-group-norm": {"mask_norm": "group"},
    }
)
