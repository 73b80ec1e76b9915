"""What a dataset contains, in numbers."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from vis_bench.masks.rle import has_pixels
from vis_bench.types import Dataset, TruthTrack

_SMALL_PIXELS = 128**2
_MEDIUM_PIXELS = 256**2


def dataset_stats(dataset: Dataset) -> dict[str, Any]:
    """Counts and distributions of one split, as plain numbers that JSON can hold.

    Always: name, split, videos, frames, frames_per_video, sizes. With public truth also: tracks,
    crowd_tracks, masks, tracks_per_video, masks_per_track (frames in which an object is annotated),
    tracks_by_area, tracks_by_category (every category). A distribution is {min, median, mean,
    max}, or None when it has no values. Area classes are those of the evaluator: mean annotated area over the
    frames with an area > 0; small up to 128^2, medium up to 256^2 pixels.
    Source: evaluator fact 2 (area ranges of youtubevos/cocoapi).
    """
    lengths = [video.length for video in dataset.videos]
    stats: dict[str, Any] = {
        "name": dataset.name,
        "split": dataset.split,
        "videos": len(dataset.videos),
        "frames": sum(lengths),
        "frames_per_video": _distribution(lengths),
        "sizes": dict(Counter(f"{video.width}x{video.height}" for video in dataset.videos).most_common()),
    }
    if dataset.tracks is None:
        return stats
    masks_per_track = [sum(map(has_pixels, track.segmentations)) for track in dataset.tracks]
    by_category = Counter(track.category_id for track in dataset.tracks)
    by_area = Counter(_area_class(track) for track in dataset.tracks)
    stats |= {
        "tracks": len(dataset.tracks),
        "crowd_tracks": sum(track.is_crowd for track in dataset.tracks),
        "masks": sum(masks_per_track),
        "tracks_per_video": _distribution([len(tracks) for tracks in dataset.tracks_by_video.values()]),
        "masks_per_track": _distribution(masks_per_track),
        "tracks_by_area": {size: by_area[size] for size in ("small", "medium", "large")},
        "tracks_by_category": {category.name: by_category[category.id] for category in dataset.categories},
    }
    return stats


def _area_class(track: TruthTrack) -> str:
    areas = [area for area in track.areas if area is not None and area > 0]
    mean = float(np.mean(areas)) if areas else 0.0
    if mean <= _SMALL_PIXELS:
        return "small"
    return "medium" if mean <= _MEDIUM_PIXELS else "large"


def _distribution(values: list[int]) -> dict[str, float] | None:
    if not values:
        return None
    return {
        "min": min(values),
        "median": float(np.median(values)),
        "mean": float(np.mean(values)),
        "max": max(values),
    }
