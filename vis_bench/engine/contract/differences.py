"""Where two passes over a video disagree, in words: what the checks of tracking print."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from vis_bench.engine.contract.bench import Tracked
from vis_bench.method import FrameResult
from vis_bench.types import Rle, Track

SCORE_TOLERANCE = 1e-6


def first_difference(one: Tracked, other: Tracked) -> str | None:
    """The first difference between two passes over the same video in words, frame results first; or None."""
    for a, b in zip(one.results or (), other.results or (), strict=False):
        gap = frame_difference(a, b)
        if gap:
            return f"frame {a.index}: {gap}"
    return tracks_difference(one.tracks, other.tracks)


def tracks_difference(one: Sequence[Track], other: Sequence[Track]) -> str | None:
    """The first difference between tracks of the same videos, in their order."""
    if len(one) != len(other):
        return f"{len(one)} and {len(other)} tracks"
    for number, (track, again) in enumerate(zip(one, other, strict=True)):
        gap = _track_difference(track, again)
        if gap:
            return f"track {number}: {gap}"
    return None


def frame_difference(one: FrameResult, other: FrameResult) -> str | None:
    """The first difference between two results of one frame."""
    if len(one.detections) != len(other.detections):
        return f"{len(one.detections)} and {len(other.detections)} detections"
    for number, (a, b) in enumerate(zip(one.detections, other.detections, strict=True)):
        if a.identity != b.identity:
            return f"detection {number} has identity {a.identity} and {b.identity}"
        if not np.allclose(a.class_scores, b.class_scores, rtol=0, atol=SCORE_TOLERANCE):
            return f"detection {number} has other class scores"
        if not _same_mask(a.segmentation, b.segmentation):
            return f"detection {number} has another mask"
        if not _close(a.box, b.box):
            return f"detection {number} has another box"
    return None


def _track_difference(one: Track, other: Track) -> str | None:
    if one.category_id != other.category_id:
        return f"category {one.category_id} and {other.category_id}"
    if abs(one.score - other.score) > SCORE_TOLERANCE:
        return f"score {one.score} and {other.score}"
    masks = zip(one.segmentations, other.segmentations, strict=True)
    if not all(_same_mask(a, b) for a, b in masks):
        return "other masks"
    pairs: Any = zip(one.boxes or (), other.boxes or (), strict=False)
    return None if all(_close(a, b) for a, b in pairs) else "other boxes"


def _same_mask(one: Rle | None, other: Rle | None) -> bool:
    """Whether two masks are the same pixels; one that was read from a file also has its area."""
    if one is None or other is None:
        return one is other
    return one["counts"] == other["counts"] and list(one["size"]) == list(other["size"])


def _close(one: Any, other: Any) -> bool:
    if one is None or other is None:
        return one is other
    return bool(np.allclose(one, other, rtol=0, atol=1e-4))
