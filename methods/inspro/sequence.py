"""From frame results to tracks: the video-level score and class of each slot.

Source: the paper is silent; specification 6.5 and D11 (mean over all frames as TeViT, pairs as MinVIS).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal

import numpy as np

from vis_bench.method import FrameResult, VideoInstance

SequenceScore = Literal["mean_all", "mean_active", "max"]


def sequence_scores(
    frame_scores: Iterable[np.ndarray], kind: SequenceScore, presence_threshold: float
) -> np.ndarray:
    """Class scores [N, C] of all slots in each frame -> [N, C] of the video; one frame is held at a time.

    mean_all: mean over all frames. mean_active: mean over the frames in which the slot's largest class score
    reaches `presence_threshold`, 0 where there is none. max: largest over the frames. Raises ValueError
    without a frame.
    """
    count, total, active_frames = 0, np.zeros(()), np.zeros(())
    for count, scores in enumerate(frame_scores, start=1):
        active = scores.max(axis=1, keepdims=True) >= presence_threshold
        new = scores * active if kind == "mean_active" else scores
        if count == 1:
            total, active_frames = new.copy(), active.astype(np.int64)
            continue
        active_frames += active
        total = np.maximum(total, new) if kind == "max" else total + new
    if count == 0:
        raise ValueError("a video without frames has no scores")
    if kind == "max":
        return total
    if kind == "mean_all":
        return total / total.dtype.type(count)
    return total / np.maximum(active_frames, 1)


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
    Results are gone through twice, so that only what is kept is held.
    """
    if not results:
        return []
    seen = np.zeros(len(results[0].detections), dtype=bool)

    def frame_scores() -> Iterator[np.ndarray]:
        for result in results:
            seen[:] |= [(d.box if boxes else d.segmentation) is not None for d in result.detections]
            yield np.stack([detection.class_scores for detection in result.detections])

    scores = sequence_scores(frame_scores(), kind, presence_threshold)
    video_scores = np.where(seen[:, None], scores, -1.0)
    order = np.argsort(-video_scores, axis=None, kind="stable")[:keep]
    slots, labels = np.unravel_index(order, video_scores.shape)
    regions: dict[int, list[Any]] = {int(slot): [] for slot in slots if seen[slot]}
    for result in results:
        for slot, of_slot in regions.items():
            detection = result.detections[slot]
            of_slot.append(detection.box if boxes else detection.segmentation)
    none = (None,) * len(results)
    return [
        VideoInstance(
            label=int(label),
            score=float(video_scores[slot, label]),
            segmentations=none if boxes else tuple(regions[slot]),
            boxes=tuple(regions[slot]) if boxes else None,
        )
        for slot, label in zip(slots.tolist(), labels.tolist(), strict=True)
        if slot in regions
    ]
