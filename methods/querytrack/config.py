"""Configurations of QueryTrack and the decisions that the paper leaves open. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from methods.layers.backbone_config import BackboneConfig
from methods.layers.backbone_variants import swin_variants
from methods.tracking.querytrack_association import QueryTrackRule
from vis_bench.errors import UsageError, did_you_mean
from vis_bench.method import Augmentation, Choice, ClipSampling, TrainConfig


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

    test_short_side, test_max_long_side: px, None keeps the frame's size. Others: see `CHOICES`.
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
        optimizer="adamw",
        lr=1.25e-5,
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

CHOICES = (
    Choice(
        "D1",
        "association.init_threshold",
        "ours",
        "Eq 9 has no entry for a new object: with one candidate and one identity S is 1 whatever the "
        "embeddings are. A candidate without identity and with at least this confidence starts a new one.",
    ),
    Choice(
        "D1",
        "association.similarity_gate",
        "ours",
        "A match needs at least this cosine of the raw embeddings, since no threshold on F alone tells a new "
        "object from an old one.",
    ),
    Choice(
        "D1",
        "association.factor_floor",
        "ours",
        "No floor on F of Eq 8: all identities of the bank share a row of Eq 9, so F of a right match falls "
        "as the bank grows. A floor turns known objects into new identities, which fill the bank further.",
    ),
    Choice(
        "D1",
        "association.losers",
        "ours",
        "A candidate whose identities all went to others follows the rule for new objects; MaskTrack R-CNN "
        "discards it.",
    ),
    Choice(
        "D2",
        "weights.track_alpha",
        "ours",
        "alpha_t of Eq 7 is not given: 0.25 at the right entry and 0.75 at the others, RetinaNet's notation "
        "and the value of QueryInst's class loss.",
    ),
    Choice("D2", "weights.track_gamma", "ours", "gamma of Eq 7 is not given: 2, as QueryInst's class loss."),
    Choice(
        "D2",
        "weights.track_entries",
        "ours",
        "Eq 7 is per entry: summed over the N + 1 entries, 0 being right when the object is not in the "
        "reference frame, then averaged over the matched instances of the key frames. Eq 6 names n = 1..N.",
    ),
    Choice("D2", "weights.track", "ours", "The weight of the track loss is not given: 1, at every stage."),
    Choice(
        "D3",
        "track_resolution",
        "ours",
        "RoI of the tracking head: 7 x 7 with a projection to a vector, as the box branch; Eq 4 is silent.",
    ),
    Choice("D3", "embedding_width", "ours", "Output of the linear projection T_t: the width of a query."),
    Choice(
        "D3",
        "track_stages",
        "ours",
        "The heads of Eq 4 have the index of a stage and QueryInst supervises every stage; inference uses "
        "the last head only.",
    ),
    Choice(
        "D4",
        "reference_boxes",
        "ours",
        "An embedding needs a query, so reference embeddings come from the queries matched in the reference "
        "frame, at the same stage; their RoI is the predicted box, or the truth's. Detection losses act on "
        "both frames.",
    ),
    Choice(
        "-",
        "score_threshold",
        "public code",
        "Candidates have a class probability of at least 0.05, as MaskTrack R-CNN; QueryInst keeps all.",
    ),
    Choice(
        "-",
        "query_once",
        "ours",
        "The 10 best (query, class) pairs with each query only once: two candidates of one query would have "
        "the same embedding.",
    ),
    Choice(
        "-",
        "mask_norm",
        "public code",
        "BatchNorm, trained, over the boxes of all matched queries (QueryInst). GroupNorm is an option.",
    ),
    Choice("-", "weights.dice", "public code", "The mask loss is dice alone with weight 8 (QueryInst)."),
    Choice(
        "-",
        "queries",
        "paper",
        "100 for the R50 baseline, 300 for the challenge entry (variant `challenge`, with 640 px and crops).",
    ),
    Choice(
        "-",
        "train.batch_size",
        "paper",
        "32 pairs and rate 1.25e-5 of Sec 3.2; Sec 3.3 does not say whether the R50 baseline keeps them.",
    ),
    Choice(
        "-",
        "train.iterations",
        "ours",
        "12 epochs of about 90,200 labelled frames of YouTube-VIS 2021, 32 pairs a step, whatever the "
        "dataset; every video is drawn equally often.",
    ),
    Choice("-", "train.sampling", "paper", "Two random frames of a video; the first is the key frame."),
    Choice(
        "-",
        "train.augmentation",
        "public code",
        "Shorter side 320 to 800 (paper) in steps of 32. The crop of the challenge entry is not described; "
        "at least 0.64 of each side is kept, the range of DETR-style crops.",
    ),
    Choice("-", "train.grad_clip_norm", "public code", "Norm 1 and 1000 warm-up iterations, as QueryInst."),
    Choice(
        "-",
        "proposal_init",
        "public code",
        "Every box starts as the whole image (QueryInst). `tiny` starts from a grid of boxes, which learns "
        "faster in a few hundred iterations.",
    ),
    Choice(
        "-",
        "query_init",
        "public code",
        "Every query starts from its own normal draw (QueryInst). `tiny` starts all from one draw, so that "
        "all queries first learn the same filters.",
    ),
    Choice(
        "-",
        "box_output_gain",
        "public code",
        "Xavier initialisation of the box output (QueryInst). `tiny` starts at 0: the first boxes are the "
        "proposals.",
    ),
)
