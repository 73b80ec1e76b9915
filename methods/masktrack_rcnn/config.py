"""Configurations of MaskTrack R-CNN. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from methods.layers.backbone_config import BackboneConfig
from methods.layers.backbone_variants import RESNET101
from methods.tracking.association import AssociationRule
from vis_bench.errors import UsageError
from vis_bench.method import Augmentation, ClipSampling, TrainConfig

PYRAMID = ("p2", "p3", "p4", "p5")


@dataclass(frozen=True, slots=True)
class RpnConfig:
    """The region proposal network.

    levels: pyramid levels with anchors, P2 to P5 or a part of them, P6 may follow (P5 subsampled). scale:
    side of a square anchor in strides. ratios: height / width. positive_iou, negative_iou: from and below
    which an anchor is positive or negative. low_quality_iou: the best anchors of an object are positive from
    here. samples: anchors per image in the loss. positive_fraction: of them at most. box_beta: of smooth L1.
    candidates_per_level: before suppression at IoU nms_iou within a level. proposals: kept per image. The
    last three are the same in training and at test time.
    """

    levels: tuple[str, ...] = (*PYRAMID, "p6")
    scale: float = 8.0
    ratios: tuple[float, ...] = (0.5, 1.0, 2.0)
    positive_iou: float = 0.7
    negative_iou: float = 0.3
    low_quality_iou: float = 0.3
    samples: int = 64
    positive_fraction: float = 0.5
    box_beta: float = 1 / 9
    candidates_per_level: int = 200
    nms_iou: float = 0.7
    proposals: int = 200


@dataclass(frozen=True, slots=True)
class RoiConfig:
    """The heads on regions.

    box_resolution, mask_resolution: cells per side of the pooled features (masks have twice as many).
    sampling_ratio: of RoIAlign. canonical_size_px: side of a region that reads level P4. fc_width: of the two
    layers of the box head. embed_width: of both layers of the tracking head. mask_convs, mask_channels: of
    the mask head. delta_stds: standard deviations of the box deltas (x, y, width, height).
    foreground_iou: from which a proposal is positive. samples, positive_fraction, box_beta: as in RpnConfig.
    add_truth: true boxes join the proposals in training.
    """

    box_resolution: int = 7
    mask_resolution: int = 14
    sampling_ratio: int = 2
    canonical_size_px: float = 224.0
    fc_width: int = 1024
    embed_width: int = 1024
    mask_convs: int = 4
    mask_channels: int = 256
    delta_stds: tuple[float, float, float, float] = (0.1, 0.1, 0.2, 0.2)
    foreground_iou: float = 0.5
    samples: int = 128
    positive_fraction: float = 0.25
    box_beta: float = 1.0
    add_truth: bool = True


@dataclass(frozen=True, slots=True)
class LossWeights:
    """Weights of the six terms: objectness and box of the RPN, class, box, mask and identity of regions."""

    rpn_class: float = 1.0
    rpn_box: float = 1.0
    classes: float = 1.0
    box: float = 1.0
    mask: float = 1.0
    tracking: float = 1.0


@dataclass(frozen=True, slots=True)
class MaskTrackConfig:
    """Everything that decides what MaskTrack R-CNN computes.

    channels: width of the pyramid. roi_levels: pyramid levels that are built and that regions read. rpn, roi,
    weights: see there. association.dummy_logit is the logit of "new object" in the training softmax too.
    Inference: test_short_side and test_max_long_side (pixels, None keeps the frame's size), score_threshold
    (class probability), nms_iou (within a class), detections_per_frame, mask_threshold (probability),
    association.
    """

    train: TrainConfig
    backbone: BackboneConfig = field(default_factory=BackboneConfig)
    channels: int = 256
    roi_levels: tuple[str, ...] = PYRAMID
    rpn: RpnConfig = field(default_factory=RpnConfig)
    roi: RoiConfig = field(default_factory=RoiConfig)
    weights: LossWeights = field(default_factory=LossWeights)
    test_short_side: int | None = 360
    test_max_long_side: int = 640
    score_threshold: float = 0.05
    nms_iou: float = 0.5
    detections_per_frame: int = 10
    mask_threshold: float = 0.5
    association: AssociationRule = field(default_factory=AssociationRule)

    def __post_init__(self) -> None:
        levels = self.roi_levels
        if not levels or levels not in {PYRAMID[i:j] for i in range(4) for j in range(i + 1, 5)}:
            raise UsageError(
                f"masktrack_rcnn: roi_levels is {levels}; it must be neighbours among {', '.join(PYRAMID)}."
            )
        allowed = (*levels, "p6") if levels[-1] == "p5" else levels
        if not self.rpn.levels or any(level not in allowed for level in self.rpn.levels):
            raise UsageError(
                f"masktrack_rcnn: rpn.levels is {self.rpn.levels}; with these roi_levels it can use "
                f"{', '.join(allowed)}."
            )
        if list(self.rpn.levels) != sorted(set(self.rpn.levels)):
            raise UsageError(
                f"masktrack_rcnn: rpn.levels is {self.rpn.levels}; give each once, finest first."
            )
        if self.rpn.negative_iou > self.rpn.positive_iou:
            raise UsageError("masktrack_rcnn: rpn.negative_iou must not be above rpn.positive_iou.")
        if self.train.sampling.frames != 2:
            raise UsageError(
                f"masktrack_rcnn: train.sampling.frames is {self.train.sampling.frames}; it trains on "
                "pairs (2)."
            )
        if self.train.sampling.ordered:
            raise UsageError(
                "masktrack_rcnn: train.sampling.ordered must be off: the first frame of a pair is the key "
                "frame and the other is any other frame, earlier or later."
            )
        for name in ("samples", "proposals", "candidates_per_level"):
            if getattr(self.rpn, name) < 1:
                raise UsageError(
                    f"masktrack_rcnn: rpn.{name} is {getattr(self.rpn, name)}; it must be at least 1."
                )
        if self.roi.samples < 1:
            raise UsageError(f"masktrack_rcnn: roi.samples is {self.roi.samples}; it must be at least 1.")
        if self.detections_per_frame < 1:
            raise UsageError(
                f"masktrack_rcnn: detections_per_frame is {self.detections_per_frame}; it must be at least 1."
            )


PAPER = MaskTrackConfig(
    train=TrainConfig(
        # 12 epochs of about 61,800 labelled frames of YouTube-VIS 2019 in batches of 8 pairs
        iterations=92_700,
        batch_size=8,
        shard_clips=8,
        optimizer="sgd",
        lr=5e-3,
        from_imagenet_lr=1e-2,
        weight_decay=1e-4,
        momentum=0.9,
        schedule="step",
        lr_steps=(61_800, 84_975),
        warmup_iterations=500,
        warmup_factor=1 / 3,
        grad_clip_norm=35.0,
        sampling=ClipSampling(frames=2, window=None, ordered=False),
        augmentation=Augmentation(short_sides=(360,), max_long_side=640, flip=0.5),
    )
)

TINY = MaskTrackConfig(
    train=TrainConfig(
        iterations=700,
        batch_size=4,
        optimizer="adamw",
        # at twice the rate the wide layers without normalisation overshoot, the tracking loss first
        lr=1e-3,
        # at the rate that the new heads need, the backbone loses what it was pretrained for
        backbone_lr_factor=0.1,
        weight_decay=1e-4,
        schedule="cosine",
        warmup_iterations=50,
        grad_clip_norm=5.0,
        sampling=ClipSampling(frames=2, window=None, ordered=False),
        augmentation=Augmentation(flip=0.5),
    ),
    backbone=BackboneConfig(name="small", frozen_stages=0, frozen_norm=False),
    channels=64,
    # square anchors of 16, 32, 64 and 128 px for objects of about 10 to 60 px
    rpn=RpnConfig(levels=PYRAMID, scale=4.0, candidates_per_level=60, proposals=60),
    roi=RoiConfig(
        # a cell of a region is at most two cells of the map wide, so one sample is enough
        sampling_ratio=1,
        canonical_size_px=112.0,
        fc_width=128,
        embed_width=128,
        mask_convs=2,
        mask_channels=32,
        samples=48,
    ),
    test_short_side=None,
)

QUICK = replace(TINY, train=replace(TINY.train, iterations=250))

CONFIGS: Mapping[str, MaskTrackConfig] = MappingProxyType({"paper": PAPER, "tiny": TINY, "quick": QUICK})

# D18, the other association rule, and each cue of the pair score switched off
VARIANTS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "refresh-class": {"association.refresh_label": True},
        "forget20": {"association.forget_after_frames": 20},
        "mmtracking": {
            "association.refresh_label": True,
            "association.forget_after_frames": 20,
            "score_threshold": 0.01,
        },
        "crossvis-association": {"association.rule": "crossvis"},
        "no-score-cue": {"association.score_weight": 0.0},
        "no-iou-cue": {"association.iou_weight": 0.0},
        "no-class-cue": {"association.label_weight": 0.0},
        **RESNET101,
    }
)
