"""Configurations of the track-and-detect row of InsPro's Table 2(e). Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from types import MappingProxyType
from typing import Any, Literal

from methods.inspro.config import InsProConfig, LossWeights
from methods.layers.backbone_config import BackboneConfig
from vis_bench.errors import UsageError
from vis_bench.method import Augmentation, ClipSampling, TrainConfig


@dataclass(frozen=True, slots=True)
class InsProMotrConfig:
    """Everything that decides what the method computes.

    Fields named as in `InsProConfig` mean the same, `queries` being the detect queries.

    Training: track_iou, overlap with its object above which a slot becomes a track query of the next frame;
    drop_probability, share of these that is left out; false_probability, chance of each that the most similar
    slot without an object is added. query_update: what the interaction module makes of a track.

    Inference, thresholds on a slot's largest class probability in 0..1: birth_threshold, from which a detect
    query becomes a track; keep_threshold, below which a frame counts as missed; patience_frames, missed
    frames after which a track ends; missed_reset, what clears the count; presence_threshold, from which a
    track has a mask in a frame. tracks_per_video: (track, class) pairs that are put out.
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
    dedup: bool = True
    proposal_init: Literal["image", "grid"] = "image"
    query_init: Literal["normal", "shared"] = "normal"
    coordinate_scale: Literal["size_of_interest", "pixels", "box_size"] = "size_of_interest"
    mask_stages: Literal["all", "last"] = "all"
    generator: Literal["linear", "mlp"] = "linear"
    stage_matching: Literal["own", "shared"] = "own"
    clip_training_proposals: bool = False

    track_iou: float = 0.5
    drop_probability: float = 0.1
    false_probability: float = 0.3
    query_update: Literal["residual", "replace"] = "residual"

    birth_threshold: float = 0.7
    keep_threshold: float = 0.6
    patience_frames: int = 5
    missed_reset: Literal["birth", "keep"] = "birth"
    presence_threshold: float = 0.6
    sequence_score: Literal["mean_alive", "mean_present", "max"] = "mean_alive"
    tracks_per_video: int = 10
    test_short_side: int | None = 360
    test_max_long_side: int = 640

    def __post_init__(self) -> None:
        known = {
            "query_update": ("residual", "replace"),
            "missed_reset": ("birth", "keep"),
            "sequence_score": ("mean_alive", "mean_present", "max"),
        }
        for name, values in known.items():
            if getattr(self, name) not in values:
                raise UsageError(f"inspro_motr: {name} is {getattr(self, name)!r}; use one of {values}.")
        for name in (
            "track_iou",
            "drop_probability",
            "false_probability",
            "birth_threshold",
            "keep_threshold",
            "presence_threshold",
        ):
            if not 0 <= getattr(self, name) <= 1:
                raise UsageError(f"inspro_motr: {name} is {getattr(self, name)}; it must be in 0..1.")
        for name in ("patience_frames", "tracks_per_video"):
            if getattr(self, name) < 1:
                raise UsageError(f"inspro_motr: {name} is {getattr(self, name)}; it must be at least 1.")
        # refuses what InsPro's own configuration refuses, before anything is built
        _ = self.detector

    @property
    def detector(self) -> InsProConfig:
        """The network without the handling of tracks, as a configuration of InsPro: no bank.

        Source: InsPro, Sec 4.4 (no temporal aggregation in this comparison); specification 6.8.
        """
        own = {item.name for item in fields(self)} - {"presence_threshold", "sequence_score"}
        shared: dict[str, Any] = {
            item.name: getattr(self, item.name) for item in fields(InsProConfig) if item.name in own
        }
        return InsProConfig(**shared, bank=False)


PAPER = InsProMotrConfig(
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

TINY = InsProMotrConfig(
    train=TrainConfig(
        iterations=950,
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
    # after so short a training, few class probabilities reach MOTR's 0.7
    birth_threshold=0.3,
    keep_threshold=0.2,
    presence_threshold=0.1,
)

# longer than other quick schedules: both query sets share the objects, and in 250 iterations no class
# reaches the birth threshold
QUICK = replace(TINY, train=replace(TINY.train, iterations=450))

CONFIGS: Mapping[str, InsProMotrConfig] = MappingProxyType({"paper": PAPER, "tiny": TINY, "quick": QUICK})

VARIANTS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "no-dedup": {"dedup": False},
        "no-drop": {"drop_probability": 0.0},
        "no-false-tracks": {"false_probability": 0.0},
        "motr-thresholds": {"birth_threshold": 0.7, "keep_threshold": 0.6, "presence_threshold": 0.6},
    }
)
