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
from vis_bench.method import Augmentation, Choice, ClipSampling, TrainConfig


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
        optimizer="adamw",
        lr=2.5e-5,
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

CHOICES = (
    Choice(
        "-",
        "identity_samples",
        "ours",
        "The paper says that InsPro's network replaces the Mask R-CNN part of MaskTrack R-CNN, which trains "
        "its head on positive proposals (IoU 0.5, true boxes among them); here on boxes of the last stage "
        "with IoU 0.5 and the true boxes. `matched`: the one box per object that the matching assigns.",
    ),
    Choice("-", "identity_iou", "public code", "A proposal is positive from IoU 0.5 on (MaskTrack R-CNN)."),
    Choice("-", "identity_weight", "public code", "All losses of MaskTrack R-CNN have weight 1."),
    Choice(
        "-",
        "train.sampling",
        "ours",
        "Clips of three frames with a detection loss on each, as InsPro trains, so that only the tracking "
        "differs. Every frame has the next of its clip, cyclically, as reference frame; the reference's "
        "embeddings are read at its true boxes, as in MaskTrack R-CNN.",
    ),
    Choice(
        "-",
        "detections_per_frame",
        "public code",
        "Ten queries with the highest class score above 0.05, each with its best class.",
    ),
    Choice(
        "-",
        "nms_iou",
        "ours",
        "None: a set detector is trained to give each object one query, so MaskTrack R-CNN's non-maximum "
        "suppression falls away with its detector. `tiny` has 0.6: after so short a training several queries "
        "cover an object, and each starts an identity of its own in the first frame.",
    ),
    Choice(
        "-",
        "association.label_weight",
        "public code",
        "10, as MaskTrack R-CNN: a detection of another class than the identity's is almost never linked to "
        "it. `tiny` has 2, a value of ours: its classes still flicker.",
    ),
    Choice("-", "score_threshold", "public code", "0.05, as MaskTrack R-CNN."),
    Choice(
        "D18",
        "association.refresh_label",
        "public code",
        "Off: the stored class of an identity is its first (MaskTrack R-CNN); mmtracking refreshes it.",
    ),
    Choice(
        "D18",
        "association.forget_after_frames",
        "public code",
        "Identities are never forgotten (MaskTrack R-CNN); mmtracking forgets after 20 frames.",
    ),
    Choice(
        "-",
        "embedding_width",
        "public code",
        "Two layers of 1024 behind 7x7x256 features: the 13.8 M parameters that Table 2(d) adds.",
    ),
    Choice(
        "D13",
        "coordinate_scale",
        "public code",
        "As InsPro: CondInst's sizes of interest by the longer side of the box.",
    ),
    Choice("D14", "mask_stages", "ours", "As InsPro: masks are supervised at all stages."),
    Choice("D14", "generator", "ours", "As InsPro: one Linear per stage."),
    Choice("-", "proposal_init", "public code", "As InsPro: the whole image; `tiny` starts from a grid."),
    Choice(
        "-", "query_init", "public code", "As InsPro: one draw per query; `tiny` starts from one for all."
    ),
    Choice("-", "box_output_gain", "public code", "As InsPro: Xavier; `tiny` starts at 0."),
)
