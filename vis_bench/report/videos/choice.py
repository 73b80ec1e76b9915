"""Which videos of a data set a report draws, and which of their frames."""

from __future__ import annotations

import numpy as np

from vis_bench.types import Dataset, Video


def choose_videos(dataset: Dataset) -> tuple[Video, ...]:
    """The video with most annotated objects and the one at the median, both lowest id first among equals."""
    order = sorted(dataset.videos, key=lambda video: (-len(dataset.tracks_by_video[video.id]), video.id))
    return tuple(order if len(order) < 2 else (order[0], order[len(order) // 2]))


def frame_indices(length: int, count: int) -> tuple[int, ...]:
    """At most `count` evenly spaced frame numbers (0-based), first and last included when count >= 2."""
    if count >= length:
        return tuple(range(length))
    return tuple(int(index) for index in np.linspace(0, length - 1, count).round())
