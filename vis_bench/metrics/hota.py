"""HOTA on per-frame mask IoU: detection and association in one number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vis_bench.metrics.assignment import assign
from vis_bench.metrics.overlap import VideoOverlap, divide_or_zero, frame_iou

ALPHAS = np.arange(0.05, 0.99, 0.05)  # arange as in TrackEval: some values lie one ulp beside k/20
EPSILON = np.finfo(float).eps
METRICS = ("HOTA", "DetA", "AssA", "LocA")


@dataclass(frozen=True, slots=True)
class HotaStatistics:
    """Sums of one video ([19] float64, one per localisation threshold) or of V videos ([V, 19]).

    hits, misses, false_positives: masks. association: sum over hits of the association score of their pair of
    tracks. location: sum over hits of their IoU.
    """

    hits: np.ndarray
    misses: np.ndarray
    false_positives: np.ndarray
    association: np.ndarray
    location: np.ndarray


def per_video(overlap: VideoOverlap, *, class_aware: bool, above: float | None) -> HotaStatistics:
    """Sums of one video for the predictions with score > `above` (None: all of them).

    class_aware: every category is evaluated by itself and the sums are added, which is TrackEval's
    detection-averaged combination.
    Source: TrackEval `HOTA.combine_classes_det_averaged`, `HOTA.combine_sequences`.
    """
    kept = np.full(len(overlap.scores), True) if above is None else overlap.scores > above
    frames = [
        (frame.truths, frame.predictions, frame_iou(overlap, t)) for t, frame in enumerate(overlap.frames)
    ]
    truth_count = _appearances([g for g, _, _ in frames], len(overlap.truth_categories))
    count = _appearances([d for _, d, _ in frames], len(overlap.scores)) * kept
    if not class_aware:
        everything = np.full(len(truth_count), True)
        return tracks_sums(_restricted(frames, everything, kept), truth_count, count)

    # most categories of a video have no truth or no prediction: count those at once
    total = HotaStatistics(*(np.zeros(len(ALPHAS)) for _ in range(5)))
    both = np.intersect1d(overlap.truth_categories, overlap.categories[kept])
    total.misses[:] = truth_count[~np.isin(overlap.truth_categories, both)].sum()
    total.false_positives[:] = count[~np.isin(overlap.categories, both)].sum()
    for category in both:
        truth, predictions = overlap.truth_categories == category, kept & (overlap.categories == category)
        part = tracks_sums(_restricted(frames, truth, predictions), truth_count * truth, count * predictions)
        total = HotaStatistics(*(getattr(total, n) + getattr(part, n) for n in HotaStatistics.__slots__))
    return total


Frames = Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]]


def tracks_sums(frames: Frames, truth_count: np.ndarray, count: np.ndarray) -> HotaStatistics:
    """Sums of one set of tracks.

    frames: truth rows [g], prediction rows [d] and IoU [g, d] of every frame that has both. truth_count [G]
    and count [D]: frames in which each track is present. Pairs of one frame are assigned by largest sum of
    IoU times the pair's alignment over the whole video.

    Source: Luiten et al., HOTA, IJCV 2021, sections 4 and 5; TrackEval `HOTA.eval_sequence`.
    """
    truths, predictions = len(truth_count), len(count)
    aligned = np.zeros((truths, predictions))
    for g, d, iou in frames:
        spread = iou.sum(axis=0)[None, :] + iou.sum(axis=1)[:, None] - iou
        aligned[g[:, None], d] += np.divide(iou, spread, out=np.zeros_like(iou), where=spread > EPSILON)
    both = truth_count[:, None] + count[None, :]
    alignment = divide_or_zero(aligned, both - aligned)

    pairs, similarity = [np.zeros(0, dtype=np.int64)], [np.zeros(0)]
    for g, d, iou in frames:
        i, j = assign(-(alignment[g[:, None], d] * iou))
        pairs.append(g[i] * predictions + d[j])
        similarity.append(iou[i, j])
    pair, reached = np.concatenate(pairs), np.concatenate(similarity)

    hits, association, location = (np.zeros(len(ALPHAS)) for _ in range(3))
    for a, alpha in enumerate(ALPHAS):
        hit = reached >= alpha - EPSILON
        matches = np.bincount(pair[hit], minlength=truths * predictions).reshape(truths, predictions)
        hits[a] = hit.sum()
        association[a] = (matches * matches / np.maximum(1, both - matches)).sum()
        location[a] = reached[hit].sum()
    return HotaStatistics(hits, truth_count.sum() - hits, count.sum() - hits, association, location)


def gather(videos: Sequence[HotaStatistics]) -> HotaStatistics:
    """Sums of several videos as [V, 19] arrays, in the order given."""
    return HotaStatistics(
        *(
            np.array([getattr(video, name) for video in videos]).reshape(-1, len(ALPHAS))
            for name in HotaStatistics.__slots__
        )
    )


def reduce(statistics: HotaStatistics, weights: np.ndarray) -> dict[str, np.ndarray]:
    """HOTA, DetA, AssA, LocA under video weights [R, V]: arrays [R] in 0..1, mean over 19 thresholds.

    NaN where there is neither truth nor prediction. A threshold without a hit counts 1 in LocA and 0 in the
    others, as in TrackEval.
    Source: TrackEval `HOTA.combine_sequences` and `_compute_final_fields`; HOTA paper, equations 8 to 13.
    """
    weights = np.asarray(weights, dtype=float)
    hits, misses, false_positives, association, location = (
        weights @ getattr(statistics, name) for name in HotaStatistics.__slots__
    )
    everything = hits + misses + false_positives
    none = everything[:, 0] == 0
    detection = divide_or_zero(hits, everything)
    associated = divide_or_zero(association, hits)
    located = np.divide(location, hits, out=np.ones_like(hits), where=hits > 0)
    values = {
        "HOTA": np.sqrt(detection * associated),
        "DetA": detection,
        "AssA": associated,
        "LocA": located,
    }
    return {name: np.where(none, np.nan, value.mean(axis=1)) for name, value in values.items()}


def _restricted(frames: Frames, truth: np.ndarray, predictions: np.ndarray) -> Frames:
    """The frames that have both, with only the chosen tracks ([G] and [D] bool)."""
    result = []
    for g, d, iou in frames:
        rows, columns = np.flatnonzero(truth[g]), np.flatnonzero(predictions[d])
        if rows.size and columns.size:
            result.append((g[rows], d[columns], iou[rows[:, None], columns]))
    return result


def _appearances(rows: Sequence[np.ndarray], tracks: int) -> np.ndarray:
    """How often each track appears in the lists of rows: [tracks] float64."""
    none = np.zeros(0, dtype=np.int64)
    return np.bincount(np.concatenate([none, *rows]), minlength=tracks).astype(float)
