"""Configurations of STC. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Literal

from methods.layers.backbone_config import BackboneConfig
from methods.layers.backbone_variants import RESNET101
from methods.tracking.association import AssociationRule
from vis_bench.errors import UsageError
from vis_bench.method import Augmentation, ClipSampling, TrainConfig


@dataclass(frozen=True, slots=True)
class LossConfig:
    """Weights and switches of Eq 3 to 7; the terms of CondInst have weight 1.

    tracking_weight, consistency_weight: lambda_b and lambda_c of Eq 7. tracking: `contrastive` (Eq 3) or
    `classification` (the softmax over identities of MaskTrack R-CNN, "Contrastive" off in Tables 4 and 5).
    bidirectional: Eq 5, both directions. consistency: Eq 6. negatives: number of k- per object (Table 8);
    negatives_from: `map`, anywhere in the reference frame but the object, or `boxes`, inside others' boxes.
    anchors: at most so many per frame. anchor_reading: tracking map at the box centre, nearest cell or
    bilinear. contra_pos_reduce: over k+ in Eq 3. consistency_reduce: over the entries of theta in Eq 6.
    mask_positives: points of a shard that get a mask loss, at most; half of them in the key frames.
    """

    tracking: Literal["contrastive", "classification"] = "contrastive"
    tracking_weight: float = 0.2
    bidirectional: bool = True
    negatives: int = 128
    negatives_from: Literal["map", "boxes"] = "map"
    anchors: int = 128
    anchor_reading: Literal["nearest", "bilinear"] = "nearest"
    contra_pos_reduce: Literal["mean", "sum"] = "mean"
    consistency: bool = True
    consistency_weight: float = 10.0
    consistency_reduce: Literal["mean", "sum"] = "mean"
    mask_positives: int = 500

    @property
    def pairs(self) -> bool:
        """Whether any term joins the two frames of a pair."""
        return self.tracking_weight > 0 or self.consistency


@dataclass(frozen=True, slots=True)
class StcConfig:
    """Everything that decides what STC computes.

    Pyramid: channels, levels ("p3" first), level_sizes (upper bound in pixels of max(l, t, r, b) at each
    level but the last, which is open), coordinate_scales (S of the relative coordinates per level, pixels),
    centre_radius (strides).
    Heads: tower_convs (class and box), norm_groups (GroupNorm), box_bias (initial distance in strides),
    kernel_convs and kernel_source (own tower, or the box tower with a single convolution as in CondInst),
    tracking_convs and embedding_width.
    Masks: mask_levels, mask_hidden, mask_convs, mask_channels, dynamic_hidden, coordinates (Table 7).
    Inference: test_short_side and test_max_long_side (pixels, None keeps the frame's size), score_threshold,
    threshold_on (class confidence or class times centre-ness), candidates_per_level, nms_iou,
    detections_per_frame, association.
    """

    train: TrainConfig
    backbone: BackboneConfig = field(default_factory=BackboneConfig)
    channels: int = 256
    levels: tuple[str, ...] = ("p3", "p4", "p5", "p6", "p7")
    level_sizes: tuple[int, ...] = (64, 128, 256, 512)
    coordinate_scales: tuple[int, ...] = (64, 128, 256, 512, 1024)
    centre_radius: float = 1.5
    tower_convs: int = 4
    norm_groups: int = 32
    box_bias: float = 0.0
    kernel_convs: int = 3
    kernel_source: Literal["own", "box_tower"] = "own"
    tracking_convs: int = 3
    embedding_width: int = 256
    mask_levels: tuple[str, ...] = ("p3", "p4", "p5")
    mask_hidden: int = 128
    mask_convs: int = 4
    mask_channels: int = 8
    dynamic_hidden: int = 8
    coordinates: bool = True
    loss: LossConfig = field(default_factory=LossConfig)
    test_short_side: int | None = 360
    test_max_long_side: int = 640
    score_threshold: float = 0.03
    threshold_on: Literal["class", "class_times_centreness"] = "class"
    candidates_per_level: int = 200
    nms_iou: float = 0.5
    detections_per_frame: int = 10
    association: AssociationRule = field(default_factory=AssociationRule)

    def __post_init__(self) -> None:
        known = ("p3", "p4", "p5", "p6", "p7")
        if not 3 <= len(self.levels) <= 5 or self.levels != known[: len(self.levels)]:
            raise UsageError(f"stc: levels is {self.levels}; it must be p3, p4, p5, or these and p6, p7.")
        if len(self.levels) == 4:
            raise UsageError("stc: levels with p6 need p7 too, since both are built together.")
        if len(self.level_sizes) != len(self.levels) - 1 or list(self.level_sizes) != sorted(
            self.level_sizes
        ):
            raise UsageError(
                f"stc: level_sizes is {self.level_sizes}; {len(self.levels)} levels need "
                f"{len(self.levels) - 1} rising bounds, the last level is open."
            )
        if len(self.coordinate_scales) != len(self.levels) or min(self.coordinate_scales) <= 0:
            raise UsageError(
                f"stc: coordinate_scales is {self.coordinate_scales}; it needs a positive value for each of "
                f"the {len(self.levels)} levels."
            )
        if not self.mask_levels or self.mask_levels != known[:3][: len(self.mask_levels)]:
            raise UsageError(
                f"stc: mask_levels is {self.mask_levels}; it must be p3, p4, p5 or a beginning of it."
            )
        if self.train.sampling.frames != 2:
            raise UsageError(
                f"stc: train.sampling.frames is {self.train.sampling.frames}; STC trains on pairs (2)."
            )
        if self.channels % self.norm_groups:
            raise UsageError(
                f"stc: channels {self.channels} must be a multiple of norm_groups {self.norm_groups}."
            )
        for name in ("embedding_width", "mask_channels", "dynamic_hidden", "detections_per_frame"):
            if getattr(self, name) < 1:
                raise UsageError(f"stc: {name} is {getattr(self, name)}; it must be at least 1.")


PAPER = StcConfig(
    train=TrainConfig(
        # 12 epochs of about 61,800 labelled frames of YouTube-VIS 2019; both frames of a pair count
        iterations=23_000,
        batch_size=16,
        shard_clips=2,
        optimizer="sgd",
        lr=5e-3,
        from_imagenet_lr=1e-2,
        weight_decay=1e-4,
        momentum=0.9,
        schedule="step",
        lr_steps=(15_000, 21_000),
        warmup_iterations=1000,
        warmup_factor=0.001,
        sampling=ClipSampling(frames=2, window=10, ordered=False),
        augmentation=Augmentation(short_sides=(360,), max_long_side=640, flip=0.5),
    )
)

TINY = StcConfig(
    train=TrainConfig(
        iterations=700,
        batch_size=4,
        optimizer="adamw",
        lr=2e-3,
        weight_decay=1e-4,
        schedule="cosine",
        warmup_iterations=50,
        grad_clip_norm=5.0,
        sampling=ClipSampling(frames=2, window=10, ordered=False),
        augmentation=Augmentation(flip=0.5),
    ),
    backbone=BackboneConfig(name="small", frozen_stages=0, frozen_norm=False),
    channels=64,
    levels=("p3", "p4", "p5"),
    level_sizes=(32, 64),
    coordinate_scales=(32, 64, 128),
    tower_convs=2,
    norm_groups=16,
    kernel_convs=1,
    tracking_convs=1,
    embedding_width=32,
    mask_hidden=48,
    mask_convs=2,
    test_short_side=None,
)

QUICK = replace(TINY, train=replace(TINY.train, iterations=280, warmup_iterations=20))

_BASELINE: Mapping[str, Any] = MappingProxyType(
    {"loss.tracking": "classification", "loss.bidirectional": False, "loss.consistency": False}
)

# Table 4, the settings of Tables 5 to 8 that differ from the method itself, the second backbone of Table 1
VARIANTS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "baseline": _BASELINE,
        "consistency-only": {**_BASELINE, "loss.consistency": True},
        "no-contrastive": {"loss.tracking": "classification", "loss.bidirectional": False},
        "no-consistency": {"loss.consistency": False},
        "no-bi-direction": {"loss.bidirectional": False},
        **{f"embedding{width}": {"embedding_width": width} for width in (64, 128)},
        **{
            f"kernel-convs{count}": {"kernel_convs": count, "loss.consistency": False}
            for count in (1, 2, 3, 4)
        },
        **{
            f"mask-channels{count}": {"mask_channels": count, "coordinates": False} for count in (1, 4, 8, 16)
        },
        **{f"negatives{count}": {"loss.negatives": count} for count in (0, 64, 256)},
        "in-box-negatives": {"loss.negatives_from": "boxes"},
        "crossvis-association": {"association.rule": "crossvis"},
        **RESNET101,
    }
)

CONFIGS: Mapping[str, StcConfig] = MappingProxyType({"paper": PAPER, "tiny": TINY, "quick": QUICK})
