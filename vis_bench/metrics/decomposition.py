"""Error decomposition of video AP: what AP would gain if one kind of error were repaired.

What TIDE does for boxes in images, for tracks. The definitions are in docs/errors.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vis_bench.metrics import average_precision as ap
from vis_bench.metrics.matching import IOU_THRESHOLDS, VideoMatches
from vis_bench.metrics.overlap import VideoOverlap
from vis_bench.metrics.track_errors import (
    KINDS,
    PREDICTION_KINDS,
    TrackMatches,
    label_errors,
    match_tracks,
)
from vis_bench.metrics.video_ap import MAX_DETECTIONS

# each IoU threshold takes the place of an area range, because repairs differ between thresholds
_SUMMARIES = tuple(
    ap.Summary(str(t), "precision", 0, t, MAX_DETECTIONS[-1]) for t in range(len(IOU_THRESHOLDS))
)


@dataclass(frozen=True, slots=True)
class VideoDecomposition:
    """Matches of one video as they are and after each repair, one entry per entry of KINDS.

    In all of them the first axis of `matched`, `ignored` and `truth_counted` is the IoU threshold.
    """

    base: VideoMatches
    repaired: tuple[VideoMatches, ...]


@dataclass(frozen=True, slots=True)
class DecompositionStatistics:
    """The same for a data set: AP statistics whose area axis is the IoU threshold."""

    base: ap.ApStatistics
    repaired: tuple[ap.ApStatistics, ...]


def per_video(overlap: VideoOverlap) -> VideoDecomposition:
    """Match one video as video AP does and apply the oracle of every kind of error."""
    found = match_tracks(overlap)
    errors = label_errors(overlap, found)
    counted = np.broadcast_to(~overlap.crowd, errors.missed.shape)
    nothing = np.full(errors.label.shape, False)
    repaired = [
        _matches(overlap, found, errors.label == k, errors.given, counted)
        for k in range(len(PREDICTION_KINDS))
    ]
    return VideoDecomposition(
        base=_matches(overlap, found, nothing, errors.given, counted),
        repaired=(*repaired, _matches(overlap, found, nothing, errors.given, counted & ~errors.missed)),
    )


def gather(videos: Sequence[VideoDecomposition], category_ids: Sequence[int]) -> DecompositionStatistics:
    """Statistics of the data set from those of its videos (all of them, predicted or not)."""
    levels = len(IOU_THRESHOLDS)
    return DecompositionStatistics(
        base=ap.gather([video.base for video in videos], category_ids, levels, 1),
        repaired=tuple(
            ap.gather([video.repaired[k] for video in videos], category_ids, levels, 1)
            for k in range(len(KINDS))
        ),
    )


def reduce(
    statistics: DecompositionStatistics, weights: np.ndarray, level: int | None = None
) -> dict[str, np.ndarray]:
    """AP and the gain of each repair under video weights [R, V]: arrays [R], NaN where AP is undefined.

    level: index into IOU_THRESHOLDS (0 gives AP50), None for the mean over all ten. Keys: `AP` in 0..1, then
    every kind with AP after its repair minus AP, in 0..1. Raises ValueError as `average_precision.reduce`.
    """
    before = _by_threshold(statistics.base, weights, level)
    score = ap.mean_of_defined(before.mean(axis=0))
    result = {"AP": score}
    for kind, repaired in zip(KINDS, statistics.repaired, strict=True):
        after = _by_threshold(repaired, weights, level)
        # nothing left to find: the category is solved
        after = np.where(np.isnan(after) & ~np.isnan(before), 1.0, after)
        result[kind] = ap.mean_of_defined(after.mean(axis=0)) - score
    return result


def _by_threshold(statistics: ap.ApStatistics, weights: np.ndarray, level: int | None) -> np.ndarray:
    """AP at each threshold, or at one: [T, R, K]."""
    summaries = _SUMMARIES if level is None else (_SUMMARIES[level],)
    return np.stack(list(ap.reduce_categories(statistics, weights, summaries).values()))


def _matches(
    overlap: VideoOverlap, found: TrackMatches, repaired: np.ndarray, given: np.ndarray, counted: np.ndarray
) -> VideoMatches:
    """The matches after the repair of the errors marked in `repaired` [T, N]; counted: [T, G] bool.

    A prediction that gets an object of its own category becomes right where it stands; one that gets an
    object of another category becomes right there, by a second entry; every other one is removed.
    """
    category = overlap.categories[found.rows]
    moved_to = np.where(repaired & (given >= 0), np.append(overlap.truth_categories, 0)[given], -1)
    valid = repaired & (given >= 0)
    right = valid & (moved_to == category)
    entries = [
        (int(n), int(c), valid[:, n] & (moved_to[:, n] == c))
        for n in np.flatnonzero((valid & ~right).any(axis=0))
        for c in np.unique(moved_to[valid[:, n] & ~right[:, n], n])
    ]
    who = np.array([n for n, _, _ in entries], dtype=np.int64)
    there = np.array([hit for _, _, hit in entries], dtype=bool).reshape(-1, len(repaired)).T
    matched = np.concatenate([found.matched | right, there], axis=1)
    ignored = np.concatenate([(found.ignored | repaired) & ~right, ~there], axis=1)
    return VideoMatches(
        video_id=overlap.video_id,
        category=np.concatenate([category, np.array([c for _, c, _ in entries], dtype=np.int64)]),
        rank=np.concatenate([found.rank, found.rank[who]]),
        score=np.concatenate([overlap.scores[found.rows], overlap.scores[found.rows][who]]),
        matched=matched[:, None, :],
        ignored=ignored[:, None, :],
        truth_category=overlap.truth_categories,
        truth_counted=counted,
    )
