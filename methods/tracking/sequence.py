"""From the frame results of an online tracker to whole tracks: one score and one class per identity."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vis_bench.method import FrameDetection, FrameResult, VideoInstance


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
    seen: dict[int, list[tuple[int, FrameDetection]]] = {}
    for result in results:
        for detection in result.detections:
            seen.setdefault(detection.identity, []).append((result.index, detection))
    tracks = []
    for _, entries in sorted(seen.items()):
        masks = {frame: detection.segmentation for frame, detection in entries}
        if all(mask is None for mask in masks.values()):
            continue
        boxes = {frame: detection.box for frame, detection in entries}
        tracks.append(
            VideoInstance(
                label=majority_label([int(detection.class_scores.argmax()) for _, detection in entries]),
                score=float(np.mean([float(detection.class_scores.max()) for _, detection in entries])),
                segmentations=tuple(masks.get(frame) for frame in range(length)),
                boxes=tuple(boxes.get(frame) for frame in range(length)),
            )
        )
    return tracks
