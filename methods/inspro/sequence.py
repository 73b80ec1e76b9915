"""From frame results to tracks: the video-level score and class of each slot.

Source: the paper is silent; specification 6.5 and D11 (mean over all frames as TeViT, pairs as MinVIS).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from vis_bench.method import FrameResult, VideoInstance

SequenceScore = Literal["mean_all", "mean_active", "max"]


def sequence_scores(frame_scores: np.ndarray, kind: SequenceScore, presence_threshold: float) -> np.ndarray:
    """Class scores [T, N, C] of all slots in all frames -> [N, C] of the video.

    mean_all: mean over all frames. mean_active: mean over the frames in which the slot's largest class score
    reaches `presence_threshold`, 0 where there is none. max: largest over the frames.
    """
    if kind == "max":
        return frame_scores.max(axis=0)
    if kind == "mean_all":
        return frame_scores.mean(axis=0)
    active = frame_scores.max(axis=2, keepdims=True) >= presence_threshold
    return (frame_scores * active).sum(axis=0) / np.maximum(active.sum(axis=0), 1)


def summarise_slots(
    results: Sequence[FrameResult],
    kind: SequenceScore,
    presence_threshold: float,
    keep: int,
    boxes: bool = False,
) -> list[VideoInstance]:
    """The `keep` best (slot, class) pairs of a video, best first.

    Every result holds every slot. A slot may appear with several classes. Slots without a mask (a box, if
    `boxes`) in any frame cannot match anything and are left out. boxes: tracks are boxes and have no masks.
    """
    if not results:
        return []
    scores = np.stack(
        [np.stack([detection.class_scores for detection in result.detections]) for result in results]
    )
    tracks = list(zip(*(result.detections for result in results), strict=True))
    seen = np.array(
        [any((d.box if boxes else d.segmentation) is not None for d in track) for track in tracks]
    )
    video_scores = np.where(seen[:, None], sequence_scores(scores, kind, presence_threshold), -1.0)
    order = np.argsort(-video_scores, axis=None, kind="stable")[:keep]
    instances = []
    for slot, label in zip(*np.unravel_index(order, video_scores.shape), strict=True):
        if seen[slot]:
            segmentations = tuple(detection.segmentation for detection in tracks[slot])
            own = tuple(detection.box for detection in tracks[slot]) if boxes else None
            instances.append(VideoInstance(int(label), float(video_scores[slot, label]), segmentations, own))
    return instances
