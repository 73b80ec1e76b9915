"""From the frame results of an online tracker to whole tracks: one score and one class per identity."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from vis_bench.method import FrameResult, VideoInstance
from vis_bench.types import Box, Rle


@dataclass(frozen=True, slots=True)
class _Seen:
    """What is needed of the detections of one identity; their class scores are not held."""

    labels: list[int] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    masks: dict[int, Rle | None] = field(default_factory=dict)
    boxes: dict[int, Box | None] = field(default_factory=dict)


def majority_label(labels: Sequence[int]) -> int:
    """The label that occurs most often, ties to the smallest. Raises ValueError on an empty sequence."""
    if not labels:
        raise ValueError("a track without detections has no class")
    return int(np.bincount(np.asarray(labels)).argmax())


def summarise_tracks(results: Sequence[FrameResult], length: int) -> list[VideoInstance]:
    """Tracks of a video of `length` frames, in the order of their identities.

    score: mean over the frames in which the identity was detected (not over all frames) of the best class
    score. label: majority vote over the same frames. segmentations: None where it was not detected or its
    mask is empty; an identity without any mask is left out, since there is nothing to compare it with.
    Source: specification 1.4, step 7 (MaskTrack R-CNN); STC Section 3.5 (vote).
    """
    found: dict[int, _Seen] = {}
    for result in results:
        for detection in result.detections:
            one = found.setdefault(detection.identity, _Seen())
            one.labels.append(int(detection.class_scores.argmax()))
            one.scores.append(float(detection.class_scores.max()))
            one.masks[result.index], one.boxes[result.index] = detection.segmentation, detection.box
    return [
        VideoInstance(
            label=majority_label(one.labels),
            score=float(np.mean(one.scores)),
            segmentations=tuple(one.masks.get(frame) for frame in range(length)),
            boxes=tuple(one.boxes.get(frame) for frame in range(length)),
        )
        for _, one in sorted(found.items())
        if any(mask is not None for mask in one.masks.values())
    ]
