"""Sizes, losses, inference and training of IFR; imports no torch.

Source: IFR (arXiv:2206.07011) Section 4.1; specification 4.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Literal, get_args

from methods.layers.backbone_config import BackboneConfig
from methods.layers.pixel_decoder_config import PixelDecoderConfig, check_sizes
from vis_bench.errors import UsageError, did_you_mean
from vis_bench.method import ADDED_LATER, Augmentation, Choice, ClipSampling, TrainConfig

FeedForwards = Literal["both", "clip", "none"]


@dataclass(frozen=True, slots=True)
class DecoderConfig:
    """Recurrent decoder; layer i attends to `levels[i % len(levels)]`. Its width is the pixel decoder's.

    ifr_ffn: which parts of a layer end in a feed-forward block of width `hidden`. class_prior: probability
    of every class before training.
    """

    queries: int = 100
    layers: int = 9
    heads: int = 8
    hidden: int = 2048
    levels: tuple[str, ...] = ("res5", "res4", "res3")
    ifr_ffn: FeedForwards = "both"
    class_prior: float = 0.01


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

CHOICES: tuple[Choice, ...] = (
    Choice(
        "D9",
        "decoder.layers",
        "public code",
        "The paper gives no number of layers; 9, round robin over strides 32, 16, 8, as Mask2Former.",
    ),
    Choice(
        "D9",
        "decoder.ifr_ffn",
        "ours",
        "Eq 2 and 3 list attention only; Mask2Former's layers end in a feed-forward block, so the frame part "
        "(kept half) and the clip part end in one each: `both`. `clip` and `none` are the alternatives.",
    ),
    Choice(
        "D9",
        "loss.points",
        "public code",
        "Masks are compared on 12,544 points as in Mask2Former, which the paper builds on: shared in the "
        "matching, drawn by uncertainty for each own-frame and each cross-frame mask in the losses.",
    ),
    Choice(
        "D9",
        "decoder.levels",
        "public code",
        "Round robin over strides 32, 16, 8. The recurrence carries the order of the frames, there is no "
        "encoding of time. `tiny` attends to finer levels because its frames are small.",
    ),
    Choice(
        "D10",
        "inference.clip_stride",
        "public code",
        "Table 4 gives the lengths of clips only; IFC, whose clip tracking it uses, moves by one frame.",
    ),
    Choice(
        "D10",
        "inference.tta_scales",
        "ours",
        "Section 4.2 says four resolutions. Variant `tta`: 1, 7/6, 4/3, 3/2 of the test size, that is 360, "
        "420, 480, 540 for a test size of 360; relative, so that it fits small videos too.",
    ),
    Choice(
        "D10",
        "inference.min_score",
        "public code",
        "0.01 as in IFC, with at most `top_k` tracks. The score at which tracks enter Table 3 is not given: "
        "tracking metrics are reported over a sweep of thresholds.",
    ),
    Choice(
        "-",
        "inference.clip_min_score",
        "ours",
        "IFC drops the queries of a clip whose best class is `no object`, which focal loss does not have: "
        "0.05 instead.",
    ),
    Choice("-", "inference.clip_match_above", "public code", "Soft IoU above 0.05 continues a track (IFC)."),
    Choice(
        "-",
        "inference.tta_seed",
        "ours",
        "Section 3.2 chooses the pivot at random; here from this seed and the video's id.",
    ),
    Choice(
        "-",
        "top_k",
        "public code",
        "The paper does not say how many tracks are kept; ten (query, class) pairs as Mask2Former-VIS.",
    ),
    Choice(
        "-",
        "loss.cross_frame_weight",
        "paper",
        "0.3 (Section 4.3). The values on the axis of Figure 4 are not in the text of the paper; the "
        "variants lambda-e-* take 0, 0.1, 0.3, 0.5 and 1.",
    ),
    Choice(
        "-",
        "loss.class_weight",
        "paper",
        "lambda_c = 2 (Section 4.1), starting from COCO weights. `tiny` takes 6: at 2, from a random start,"
        " it had learned no class after 300 iterations.",
    ),
    Choice(
        "-",
        "loss.focal_alpha",
        "public code",
        "Eq 5 says focal loss without its constants: 0.25 and 2; the sum is divided by the objects.",
    ),
    Choice(
        "-",
        "decoder.class_prior",
        "public code",
        "The bias of the class head starts at a probability of 0.01, as is usual with focal loss.",
    ),
    Choice(
        "-",
        "train.iterations",
        "public code",
        "Section 4.1 gives neither optimiser nor schedule; Mask2Former-VIS: 6,000 with the step at 4,000 for "
        "YouTube-VIS 2019, 8,000 and 5,500 for 2021.",
    ),
    Choice(
        "-",
        "train.sampling",
        "public code",
        "Two frames (Section 4.1); the second within 20 frames of the first, as Mask2Former-VIS.",
    ),
    Choice(
        "-",
        "low_memory",
        "ours",
        "Features of the frames are kept in 16 bit, about half the memory of a long video; mas"
        "ks differ in single pixels.",
    ),
)
