"""Models of single images as methods: detections of each frame, then the association rule of a method."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vis_bench.errors import UsageError
from vis_bench.integrations.native import ForeignConfig, Native
from vis_bench.masks.rle import encode_or_none, tight_box
from vis_bench.method import FrameResult, MethodSpec, RawDetections, VideoInstance
from vis_bench.scoring.reassociate import methods_with_rules, require_rule
from vis_bench.setup.config import choose_config
from vis_bench.setup.plugins import load_object, load_spec, split_variant
from vis_bench.types import Dataset, Video

ASSOCIATE, SUMMARISE = f"{__name__}:associate", f"{__name__}:summarise"


@dataclass(frozen=True, slots=True)
class FrameConfig(ForeignConfig):
    """rule_of: the method whose rule gives identities, rule: its configuration. score_threshold: detections
    below it are dropped. detections_per_frame: of the rest, the best so many."""

    rule_of: str = ""
    rule: Any = None
    score_threshold: float = 0.05
    detections_per_frame: int = 10


def rule_named(text: str | None, what: str) -> tuple[str, str, Any]:
    """(name of the configuration, method, its configuration) of `--associate NAME[@CONFIG]`.

    what: the model, for the message. Raises UsageError where none is named, or one without a rule.
    """
    if not text:
        raise UsageError(
            f"{what} is a model of single images: name the rule that gives identities, such as --associate "
            f"{' or '.join(methods_with_rules())}."
        )
    method, variant = split_variant(text)
    spec = load_spec(method)
    require_rule(method, spec)
    chosen, config = choose_config(spec, variant, "paper")
    # a plus in a name would part a configuration from its variant
    name = method if chosen == "paper" else f"{method}-{chosen.replace('+', '-')}"
    return name, method, config


def associate(
    config: FrameConfig, frames: Iterator[RawDetections], num_classes: int
) -> Iterator[FrameResult]:
    """The frame results of a video under the rule of the configuration, online."""
    rule = load_object(str(load_spec(config.rule_of).associate))
    yield from rule(config.rule, frames, num_classes)


def summarise(config: FrameConfig, results: Sequence[FrameResult], length: int) -> list[VideoInstance]:
    """The tracks of frame results, as the method of the rule makes them. length: frames of the video."""
    return load_object(str(load_spec(config.rule_of).summarise))(config.rule, results, length)


def frame_spec_values(method: str) -> dict[str, Any]:
    """What every specification of such a model says. method: of the rule."""
    cap = load_spec(method).identity_cap
    return {
        "track_cap": ("detections_per_frame", "frame"),
        "identity_cap": None if cap is None else f"rule.{cap}",
        "associate": ASSOCIATE,
        "summarise": SUMMARISE,
    }


def raw_detections(
    scores: np.ndarray,
    labels: np.ndarray,
    masks: np.ndarray,
    config: FrameConfig,
    boxes: np.ndarray | None = None,
) -> RawDetections:
    """What an association rule takes, best first; a detection without a pixel is left out.

    scores: [n] in 0..1. labels: [n], in 0..C-1, negative ones are left out. masks: [n, H, W] bool at the
    original size. boxes: [n, 4] (x1, y1, x2, y2) in original pixels, None for those around the masks. There
    is no appearance to compare: embeddings have width 0.
    """
    kept = np.flatnonzero((scores >= config.score_threshold) & (labels >= 0))
    kept = kept[np.argsort(-scores[kept], kind="stable")]
    seen = np.array([bool(masks[row].any()) for row in kept], dtype=bool)
    kept = kept[seen][: config.detections_per_frame]
    segmentations = encode_or_none(masks[kept])
    if boxes is None:
        tight = np.array([tight_box(rle) for rle in segmentations if rle is not None]).reshape(-1, 4)
        places = np.concatenate([tight[:, :2], tight[:, :2] + tight[:, 2:]], axis=1)
    else:
        places = boxes[kept]
    return RawDetections(
        scores=scores[kept].astype(np.float64),
        labels=labels[kept].astype(np.int64),
        boxes=places.astype(np.float64),
        embeddings=np.zeros((len(kept), 0)),
        segmentations=segmentations,
    )


class FrameTracker(Native):
    """A method made of a detector and a rule. detector: a Native with `detect(frame) -> RawDetections`."""

    def __init__(self, detector: Any, config: FrameConfig, num_classes: int) -> None:
        super().__init__()
        self.native = detector.native
        self.detector = detector
        self.config = config
        self.num_classes = num_classes

    def prepare_for(self, dataset: Dataset) -> Sequence[str]:
        """Passed on to the detector."""
        prepare = getattr(self.detector, "prepare_for", None)
        return () if prepare is None else prepare(dataset)

    @torch.no_grad()
    def track(self, video: Video, frames: Iterator[Tensor]) -> Iterator[FrameResult]:
        """Online: the result of frame t is yielded before frame t + 1 is asked for."""
        yield from associate(self.config, (self.detector.detect(frame) for frame in frames), self.num_classes)

    def summarise(self, video: Video, results: Sequence[FrameResult]) -> list[VideoInstance]:
        """As the method of the rule does."""
        return summarise(self.config, results, video.length)


def rule_title(spec_name: str, rule: str) -> str:
    """`MODEL, associated as MaskTrack R-CNN` for tables."""
    rule_spec: MethodSpec = load_spec(rule)
    return f"{spec_name}, associated as {rule_spec.info.title}"
