"""HOTA on per-frame mask IoU: detection and association in one number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

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
    if class_aware:
        categories = np.union1d(overlap.truth_categories, overlap.categories[kept])
        choices = [(overlap.truth_categories == c, kept & (overlap.categories == c)) for c in categories]
    else:
        choices = [(np.full(len(overlap.truth_categories), True), kept)]
    total = HotaStatistics(*(np.zeros(len(ALPHAS)) for _ in range(5)))
    for truth, predictions in choices:
        part = [
            (g[truth[g]], d[predictions[d]], iou[np.ix_(truth[g], predictions[d])]) for g, d, iou in frames
        ]
        sums = tracks_sums(part, len(truth), len(predictions))
        total = HotaStatistics(*(getattr(total, n) + getattr(sums, n) for n in HotaStatistics.__slots__))
    return total


def tracks_sums(
    frames: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]], truths: int, predictions: int
) -> HotaStatistics:
    """Sums of one set of tracks.

    frames: per frame the truth rows [g], prediction rows [d] and IoU [g, d] of what is present. Pairs of one
    frame are assigned by largest sum of IoU times the pair's alignment over the whole video.

    Source: Luiten et al., HOTA, IJCV 2021, sections 4 and 5; TrackEval `HOTA.eval_sequence`.
    """
    truth_count, count = np.zeros(truths), np.zeros(predictions)
    aligned = np.zeros((truths, predictions))
    for g, d, iou in frames:
        truth_count[g] += 1
        count[d] += 1
        if iou.size:
            spread = iou.sum(axis=0)[None, :] + iou.sum(axis=1)[:, None] - iou
            aligned[np.ix_(g, d)] += np.divide(iou, spread, out=np.zeros_like(iou), where=spread > EPSILON)
    both = truth_count[:, None] + count[None, :]
    alignment = divide_or_zero(aligned, both - aligned)

    pairs, similarity = [np.zeros(0, dtype=np.int64)], [np.zeros(0)]
    for g, d, iou in frames:
        if iou.size:
            i, j = linear_sum_assignment(-(alignment[np.ix_(g, d)] * iou))
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
