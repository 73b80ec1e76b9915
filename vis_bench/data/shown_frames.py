"""Which frames of a dataset show an object."""

from __future__ import annotations

from collections.abc import Mapping

from vis_bench.masks import rle
from vis_bench.types import Dataset, TracksOnDemand


def shown_frames(dataset: Dataset) -> Mapping[int, tuple[int, ...]]:
    """Frames (0-based, rising) of each video in which an object that is no crowd has a pixel.

    Keys are the ids of all videos of the dataset, in its order. The truth must be public.
    """
    tracks = dataset.tracks or ()
    found: dict[int, set[int]] = {video.id: set() for video in dataset.videos}
    if isinstance(tracks, TracksOnDemand):
        for video_id, frames in tracks.shown_frames():
            found[video_id].update(frames)
    else:
        for track in tracks:
            if not track.is_crowd:
                found[track.video_id].update(
                    t for t, mask in enumerate(track.segmentations) if mask is not None and rle.area(mask)
                )
    return {video_id: tuple(sorted(frames)) for video_id, frames in found.items()}
