"""One order for the tracks of a video that depends on nothing but their content.

Where several assignments are equally good, a solver's choice follows the order of rows and columns. Metrics
whose numbers must not depend on the order of a file bring their tracks into this order first.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from vis_bench.masks.rle import has_pixels
from vis_bench.metrics.overlap import VideoOverlap
from vis_bench.types import Track, TruthTrack


def content_order(tracks: Sequence[Track] | Sequence[TruthTrack]) -> np.ndarray:
    """Positions [n] int64 of the tracks by descending score (truth has none), category, masks, boxes.

    Tracks that are equal in all of these are the same to every metric; they keep their order.
    """
    heads = [_head(track) for track in tracks]
    order = sorted(range(len(heads)), key=heads.__getitem__)
    result: list[int] = []
    for _, group in itertools.groupby(order, key=heads.__getitem__):
        tied = list(group)  # masks are long; few tracks need them
        result += sorted(tied, key=lambda i: _BY_CONTENT(tracks[i])) if len(tied) > 1 else tied
    return np.array(result, dtype=np.int64)


def reordered(overlap: VideoOverlap, truth: np.ndarray, predictions: np.ndarray) -> VideoOverlap:
    """The same video with its truth rows [G] and prediction rows [D] in another order."""
    return replace(
        overlap,
        truth_categories=overlap.truth_categories[truth],
        crowd=overlap.crowd[truth],
        truth_area=overlap.truth_area[truth],
        truth_mean_area=overlap.truth_mean_area[truth],
        truth_occlusion=overlap.truth_occlusion[truth],
        categories=overlap.categories[predictions],
        scores=overlap.scores[predictions],
        area=overlap.area[predictions],
        mean_area=overlap.mean_area[predictions],
        written_truth=overlap.written_truth[truth],
        written=overlap.written[predictions],
        shared=overlap.shared[:, truth[:, None], predictions],
    )


def _head(track: Track | TruthTrack) -> tuple[float, int]:
    score = track.score if isinstance(track, Track) else 0.0
    return -score, track.category_id


def _texts(track: Track | TruthTrack) -> Iterator[bytes]:
    """The masks of a track, read one by one; the first frames tell most tracks apart."""
    # an empty mask is absence like null: both sort as no text at all
    return (rle["counts"] if has_pixels(rle) else b"" for rle in track.segmentations)


def _compare(one: Track | TruthTrack, other: Track | TruthTrack) -> int:
    for a, b in zip(_texts(one), _texts(other), strict=False):
        if a != b:
            return -1 if a < b else 1
    first, second = (
        (len(track.segmentations), [box or () for box in track.boxes or ()]) for track in (one, other)
    )
    return (first > second) - (first < second)


_BY_CONTENT = functools.cmp_to_key(_compare)
