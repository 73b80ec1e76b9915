"""Configurations of the tracking-by-detection row of InsPro's Table 2(d). Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from types import MappingProxyType
from typing import Any, Literal

from methods.inspro.config import InsProConfig, LossWeights
from methods.layers.backbone_config import BackboneConfig
from methods.tracking.association import AssociationRule
from vis_bench.errors import UsageError
from vis_bench.method import Augmentation, ClipSampling, TrainConfig


@dataclass(frozen=True, slots=True)
class InsProTbdConfig:
    """Everything that decides what the method computes.

    Fields named as in `InsProConfig` mean the same: they are the per-frame detector, baseline A of
    Table 2(a).

    embedding_hidden, embedding_width: of the two fully connected layers behind the RoI features.
    identity_weight: of the (1 + N)-way softmax loss. identity_samples: which boxes of a frame it is trained
    on. identity_iou: overlap from which a predicted box stands for an object ("overlap"). association: the
    rule that links detections. score_threshold, nms_iou, detections_per_frame: which queries are detections;
    nms_iou is the overlap of boxes above which the lower score is suppressed, whatever the classes, None for
    no suppression.
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
    proposal_init: Literal["image", "grid"] = "image"
    query_init: Literal["normal", "shared"] = "normal"
    coordinate_scale: Literal["size_of_interest", "pixels", "box_size"] = "size_of_interest"
    mask_stages: Literal["all", "last"] = "all"
    generator: Literal["linear", "mlp"] = "linear"

    embedding_hidden: int = 1024
    embedding_width: int = 1024
    identity_weight: float = 1.0
    identity_samples: Literal["overlap", "matched"] = "overlap"
    identity_iou: float = 0.5
    association: AssociationRule = field(default_factory=AssociationRule)
    score_threshold: float = 0.05
    nms_iou: float | None = None
    detections_per_frame: int = 10
    test_short_side: int | None = 360
    test_max_long_side: int = 640

    def __post_init__(self) -> None:
        if self.identity_samples not in ("overlap", "matched"):
            raise UsageError(
                f"inspro_tbd: identity_samples is {self.identity_samples!r}; use 'overlap' or 'matched'."
            )
        if not (0 <= self.score_threshold <= 1 and 0 < self.identity_iou <= 1):
            raise UsageError("inspro_tbd: score_threshold and identity_iou are fractions in 0..1.")
        if self.nms_iou is not None and not 0 < self.nms_iou <= 1:
            raise UsageError(f"inspro_tbd: nms_iou is {self.nms_iou}; it must be in 0..1, or None.")
        if self.detections_per_frame < 1:
            raise UsageError(
                f"inspro_tbd: detections_per_frame is {self.detections_per_frame}; it must be at least 1."
            )
        # refuses what InsPro's own configuration refuses, before anything is built
        _ = self.detector

    @property
    def detector(self) -> InsProConfig:
        """The detector as a configuration of InsPro: baseline A, nothing is propagated.

        Source: InsPro, Table 2(a) A and Sec 4.4; specification 6.8.
        """
        own = {item.name for item in fields(self)}
        shared: dict[str, Any] = {
            item.name: getattr(self, item.name) for item in fields(InsProConfig) if item.name in own
        }
        return InsProConfig(
            **shared,
            propagate_query=False,
            propagate_proposal=False,
            consistent_matching=False,
            dedup=False,
            bank=False,
        )


PAPER = InsProTbdConfig(
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

TINY = InsProTbdConfig(
    train=TrainConfig(
        iterations=1500,
        batch_size=4,
        optimizer="adamw",
        lr=2e-3,
        # at the rate that the new heads need, the backbone loses what it was pretrained for
        backbone_lr_factor=0.1,
        weight_decay=1e-4,
        schedule="cosine",
        warmup_iterations=50,
        grad_clip_norm=1.0,
        sampling=ClipSampling(frames=2, window=None, ordered=True),
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
    embedding_hidden=128,
    embedding_width=128,
    # the class of a detection still changes from frame to frame after so short a training; at weight 10 each
    # change would start a new identity
    association=AssociationRule(label_weight=2.0),
    # nor has it learned to give every object one query: several covered most objects, and each of them
    # started an identity in the first frame
    nms_iou=0.6,
    test_short_side=None,
)

QUICK = replace(TINY, train=replace(TINY.train, iterations=400))

CONFIGS: Mapping[str, InsProTbdConfig] = MappingProxyType({"paper": PAPER, "tiny": TINY, "quick": QUICK})

# the cues of the association rule, one taken away at a time
VARIANTS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "no-class-cue": {"association.label_weight": 0.0},
        "no-box-cue": {"association.iou_weight": 0.0},
        "no-score-cue": {"association.score_weight": 0.0},
        "no-nms": {"nms_iou": None},
        "matched-samples": {"identity_samples": "matched"},
    }
)
