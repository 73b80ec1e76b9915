"""Sizes, losses and training of Mask2Former-VIS; imports no torch.

Source: Cheng et al., Mask2Former for Video Instance Segmentation; specification 4.1 (pixel decoder) and 5.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from methods.layers.backbone_config import BackboneConfig
from methods.layers.pixel_decoder_config import PixelDecoderConfig, check_sizes
from vis_bench.errors import UsageError
from vis_bench.method import ADDED_LATER, Augmentation, Choice, ClipSampling, TrainConfig


@dataclass(frozen=True, slots=True)
class DecoderConfig:
    """Transformer decoder; layer i attends to `levels[i % len(levels)]`. Its width is the pixel decoder's."""

    queries: int = 100
    layers: int = 9
    heads: int = 8
    hidden: int = 2048
    levels: tuple[str, ...] = ("res5", "res4", "res3")


@dataclass(frozen=True, slots=True)
class LossConfig:
    """Weights of the matching cost and of the losses (they are the same), and the sampled points.

    points: per clip in the matching, per (instance, frame) in the losses. no_object: weight of the class
    "no object" in the cross-entropy.
    """

    class_weight: float = 2.0
    bce_weight: float = 5.0
    dice_weight: float = 5.0
    no_object: float = 0.1
    points: int = 12_544
    oversample: float = 3.0
    importance: float = 0.75


@dataclass(frozen=True, slots=True)
class Mask2FormerVisConfig:
    """One complete Mask2Former-VIS.

    test_short_side: shorter side at inference in pixels, None keeps the original. top_k: (query, class) pairs
    kept per video. frames_per_pass: frames that go through backbone and pixel decoder together at inference;
    changes memory, not results. low_memory: keep features in 16 bit and attend to them a few frames at a
    time (the latter is always done on a CPU). Raises UsageError for sizes that do not fit together.
    """

    train: TrainConfig
    backbone: BackboneConfig = field(default_factory=lambda: BackboneConfig(frozen_stages=0))
    pixel_decoder: PixelDecoderConfig = field(default_factory=PixelDecoderConfig)
    decoder: DecoderConfig = field(default_factory=DecoderConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    test_short_side: int | None = 360
    test_max_long_side: int = 1333
    top_k: int = 10
    frames_per_pass: int = 4
    low_memory: bool = field(default=False, metadata=ADDED_LATER)

    def __post_init__(self) -> None:
        check_sizes("mask2former_vis", self.pixel_decoder, self.decoder.levels, self.decoder.heads)
        for name, value in (
            ("decoder.queries", self.decoder.queries),
            ("loss.points", self.loss.points),
            ("top_k", self.top_k),
            ("frames_per_pass", self.frames_per_pass),
        ):
            if value < 1:
                raise UsageError(f"mask2former_vis: {name} = {value} must be at least 1.")


PAPER = Mask2FormerVisConfig(
    train=TrainConfig(
        iterations=6_000,
        batch_size=16,
        shard_clips=2,
        optimizer="adamw",
        lr=1e-4,
        weight_decay=0.05,
        norm_weight_decay=0.0,
        backbone_lr_factor=0.1,
        schedule="step",
        lr_steps=(4_000,),
        grad_clip_norm=0.01,
        sampling=ClipSampling(frames=2, window=20, ordered=True),
        augmentation=Augmentation(short_sides=(360, 480), flip=0.5),
    )
)

TINY = Mask2FormerVisConfig(
    train=TrainConfig(
        iterations=900,
        batch_size=4,
        optimizer="adamw",
        # at twice this rate masks come sooner, but the classes are guessed for half of the training
        lr=7e-4,
        weight_decay=0.05,
        norm_weight_decay=0.0,
        # at the full rate, coarse features lose the classes that they were pretrained for
        backbone_lr_factor=0.3,
        schedule="cosine",
        warmup_iterations=50,
        grad_clip_norm=1.0,
        sampling=ClipSampling(frames=2, window=None, ordered=True),
        augmentation=Augmentation(flip=0.5),
    ),
    backbone=BackboneConfig(name="small", frozen_stages=0, frozen_norm=False),
    pixel_decoder=PixelDecoderConfig(dims=64, mask_dims=64, layers=1, heads=4, hidden=128),
    decoder=DecoderConfig(queries=12, layers=3, heads=4, hidden=128, levels=("res4", "res3", "res2")),
    loss=LossConfig(points=512),
    test_short_side=None,
    frames_per_pass=8,
)

QUICK = replace(TINY, train=replace(TINY.train, iterations=280))

CONFIGS: Mapping[str, Mask2FormerVisConfig] = MappingProxyType({"paper": PAPER, "tiny": TINY, "quick": QUICK})

# public configuration of Mask2Former for video; OVIS has none, and takes the one of YouTube-VIS 2019
SCHEDULES: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {"ytvis21": {"train.iterations": 8_000, "train.lr_steps": (5_500,)}}
)

CHOICES: tuple[Choice, ...] = (
    Choice(
        "-",
        "train.iterations",
        "public code",
        "6,000 with the step at 4,000 for YouTube-VIS 2019, and for OVIS, which has no public one; 8,000 and "
        "5,500 for 2021, taken by itself with --dataset ytvis21.",
    ),
    Choice(
        "-",
        "train.sampling.window",
        "public code",
        "the second frame lies within 20 labelled frames of the first; frames are kept in time order",
    ),
    Choice("-", "test_short_side", "public code", "360 for ResNet-50 and ResNet-101, 480 for Swin"),
    Choice(
        "-",
        "top_k",
        "public code",
        "ten (query, class) pairs of the flattened scores; one query may appear under two classes",
    ),
    Choice(
        "-",
        "pixel_decoder.hidden",
        "public code",
        "the encoder's feed-forward width is 1,024 whatever the decoder's width is",
    ),
    Choice(
        "-",
        "decoder.levels",
        "public code",
        "round robin over strides 32, 16, 8; `tiny` attends to finer levels because its frames are small",
    ),
    Choice(
        "-",
        "loss.points",
        "public code",
        "12,544; in the matching the frames of a clip share them, in the losses each (instance, frame) has "
        "its own",
    ),
    Choice(
        "-",
        "low_memory",
        "ours",
        "Features of the frames are kept in 16 bit and attended to part by part, a third of th"
        "e memory of a long video; masks differ in single pixels.",
    ),
    Choice(
        "-",
        "train.shard_clips",
        "public code",
        "16 clips on 8 devices: 2 a device. num_masks is summed over devices and divided by their "
        "number, so masks of all shards count; the mean of the cross-entropy is a shard's own.",
    ),
)
