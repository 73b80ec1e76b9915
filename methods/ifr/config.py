"""Sizes, losses, inference and training of IFR; imports no torch.

Source: IFR (arXiv:2206.07011) Section 4.1; specification 4.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Literal, get_args

from methods.layers.backbone_config import BackboneConfig
from methods.layers.pixel_decoder_config import PixelDecoderConfig, check_sizes
from vis_bench.errors import UsageError, did_you_mean
from vis_bench.method import ADDED_LATER, Augmentation, ClipSampling, TrainConfig

FeedForwards = Literal["both", "clip", "none"]


@dataclass(frozen=True, slots=True)
class DecoderConfig:
    """Recurrent decoder; layer i attends to `levels[i % len(levels)]`. Its width is the pixel decoder's.

    ifr_ffn: which parts of a layer end in a feed-forward block of width `hidden`. class_prior: probability
    of every class before training. aggregation: what makes the clip queries of the next layer; "none" takes
    those of the one frame there is, so that an image passes through Mask2Former's layers alone.
    """

    queries: int = 100
    layers: int = 9
    heads: int = 8
    hidden: int = 2048
    levels: tuple[str, ...] = ("res5", "res4", "res3")
    ifr_ffn: FeedForwards = "both"
    class_prior: float = 0.01
    aggregation: Literal["attention", "none"] = field(default="attention", metadata=dict(ADDED_LATER))


@dataclass(frozen=True, slots=True)
class LossConfig:
    """Weights of the matching cost (Eq 4) and of the loss (Eq 5 to 7), and the sampled points.

    class_weight, bce_weight, dice_weight: lambda_c, lambda_m, lambda_D. cross_frame_weight: lambda_e, 0
    switches the cross-frame terms off. points: per clip in the matching, per mask in the losses.
    """

    class_weight: float = 2.0
    bce_weight: float = 5.0
    dice_weight: float = 5.0
    cross_frame_weight: float = 0.3
    focal_alpha: float = 0.25
    focal_gamma: float = 2.0
    points: int = 12_544
    oversample: float = 3.0
    importance: float = 0.75


@dataclass(frozen=True, slots=True)
class InferenceConfig:
    """How a video is cut into clips, and test-time augmentation.

    clip_frames: frames per clip (T of Table 4), None = the whole video is one clip. clip_stride: frames
    between the starts of two clips. clip_min_score: a query takes part in stitching where its best class
    probability reaches it. clip_match_above: soft IoU above which it continues a track. min_score: pairs
    (track, class) at or below it are not put out. The last three concern clips only.

    tta_scales: sizes of the input, each a factor on the test size; empty = off. tta_seed: decides which of
    them is the pivot of a video.
    """

    clip_frames: int | None = None
    clip_stride: int = 1
    clip_min_score: float = 0.05
    clip_match_above: float = 0.05
    min_score: float = 0.01
    tta_scales: tuple[float, ...] = ()
    tta_seed: int = 0


@dataclass(frozen=True, slots=True)
class IfrConfig:
    """One complete IFR.

    test_short_side: shorter side at inference in pixels, None keeps the original. top_k: (query, class)
    pairs kept per video. frames_per_pass: frames that go through backbone and pixel decoder together when a
    whole video is one clip; changes memory, not results. low_memory: keep features in 16 bit until the masks
    are written. Raises UsageError for values that do not fit
    together.
    """

    train: TrainConfig
    backbone: BackboneConfig = field(default_factory=lambda: BackboneConfig(frozen_stages=0))
    pixel_decoder: PixelDecoderConfig = field(default_factory=PixelDecoderConfig)
    decoder: DecoderConfig = field(default_factory=DecoderConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    inference: InferenceConfig = field(default_factory=InferenceConfig)
    test_short_side: int | None = 360
    test_max_long_side: int = 1333
    top_k: int = 10
    frames_per_pass: int = 4
    low_memory: bool = field(default=False, metadata=ADDED_LATER)

    def __post_init__(self) -> None:
        check_sizes("ifr", self.pixel_decoder, self.decoder.levels, self.decoder.heads)
        known, chosen = get_args(FeedForwards), self.decoder.ifr_ffn
        if chosen not in known:
            raise UsageError(
                f"ifr: decoder.ifr_ffn is {chosen!r}, which is no known choice.{did_you_mean(chosen, known)}"
            )
        if self.decoder.aggregation not in ("attention", "none"):
            raise UsageError(
                f"ifr: decoder.aggregation is {self.decoder.aggregation!r}; use 'attention' or 'none'."
            )
        inference = self.inference
        for name, value in (
            ("decoder.queries", self.decoder.queries),
            ("loss.points", self.loss.points),
            ("inference.clip_stride", inference.clip_stride),
            ("top_k", self.top_k),
            ("frames_per_pass", self.frames_per_pass),
        ):
            if value < 1:
                raise UsageError(f"ifr: {name} = {value} must be at least 1.")
        if self.loss.cross_frame_weight < 0:
            raise UsageError(f"ifr: loss.cross_frame_weight = {self.loss.cross_frame_weight} is negative.")
        if not 0 < self.decoder.class_prior < 1:
            raise UsageError(f"ifr: decoder.class_prior = {self.decoder.class_prior} must be within 0..1.")
        if any(scale <= 0 for scale in inference.tta_scales):
            raise UsageError(f"ifr: inference.tta_scales = {inference.tta_scales} must all be positive.")
        if inference.clip_frames is not None:
            if inference.clip_frames <= inference.clip_stride:
                raise UsageError(
                    f"ifr: clips of {inference.clip_frames} frames that start {inference.clip_stride} frames "
                    "apart have no frame in common; inference.clip_frames must exceed clip_stride."
                )
            if inference.tta_scales:
                raise UsageError(
                    "ifr: test-time augmentation is defined for whole videos; leave inference.clip_frames or "
                    "inference.tta_scales out."
                )


PAPER = IfrConfig(
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

TINY = IfrConfig(
    train=TrainConfig(
        iterations=900,
        batch_size=4,
        optimizer="adamw",
        lr=8e-4,
        weight_decay=0.05,
        norm_weight_decay=0.0,
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
    loss=LossConfig(class_weight=6.0, points=512),
    test_short_side=None,
    frames_per_pass=8,
)

# longer than other quick schedules: at 280 iterations matched and empty slots still score alike
QUICK = replace(TINY, train=replace(TINY.train, iterations=480))

CONFIGS: Mapping[str, IfrConfig] = MappingProxyType({"paper": PAPER, "tiny": TINY, "quick": QUICK})

# public configuration of Mask2Former for video; OVIS has none, and takes the one of YouTube-VIS 2019
SCHEDULES: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {"ytvis21": {"train.iterations": 8_000, "train.lr_steps": (5_500,)}}
)
