"""HOTA on per-frame mask IoU: detection and association in one number."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from vis_bench.metrics.assignment import assign, clear_choices
from vis_bench.metrics.overlap import VideoOverlap, divide_or_zero, every_frame_iou

ALPHAS = np.arange(0.05, 0.99, 0.05)  # arange as in TrackEval: some values lie one ulp beside k/20
EPSILON = np.finfo(float).eps
METRICS = ("HOTA", "DetA", "AssA", "LocA", "DetRe", "DetPr", "AssRe", "AssPr", "OWTA")


@dataclass(frozen=True, slots=True)
class HotaStatistics:
    """Sums of one video ([19] float64, one per localisation threshold) or of V videos ([V, 19]).

    hits, misses, false_positives: masks. association, association_recall, association_precision: sum over
    hits of the score of their pair of tracks: frames matched / frames of either, of the object, of the
    prediction. location: sum over hits of their IoU.
    """

    hits: np.ndarray
    misses: np.ndarray
    false_positives: np.ndarray
    association: np.ndarray
    association_recall: np.ndarray
    association_precision: np.ndarray
    location: np.ndarray


@dataclass(frozen=True, slots=True)
class PresentTracks:
    """One video with G objects and D predictions, for any choice among them.

    truth_categories [G], categories [D]: int64 ids. scores: [D] float64. present_truth [L, G], present [L,
    D]: bool. iou: [L, G, D] float64, 0 where one is absent.
    """

    truth_categories: np.ndarray
    categories: np.ndarray
    scores: np.ndarray
    present_truth: np.ndarray
    present: np.ndarray
    iou: np.ndarray


def present_tracks(overlap: VideoOverlap) -> PresentTracks:
    """What HOTA needs of a video, computed once for all settings."""
    return PresentTracks(
        truth_categories=overlap.truth_categories,
        categories=overlap.categories,
        scores=overlap.scores,
        present_truth=overlap.present_truth.T,
        present=overlap.present.T,
        iou=every_frame_iou(overlap),
    )


def per_video(video: PresentTracks, *, class_aware: bool, above: float | None) -> HotaStatistics:
    """Sums of one video for the predictions with score > `above` (None: all of them).

    class_aware: every category is evaluated by itself and the sums are added, which is TrackEval's
    detection-averaged combination.
    Source: TrackEval `HOTA.combine_classes_det_averaged`, `HOTA.combine_sequences`.
    """
    d = _kept(video, above)
    iou = video.iou[:, :, d]
    if not class_aware:
        return tracks_sums(iou, video.present_truth, video.present[:, d])
    # sums of categories add up, and no pair of two categories has a part in any of them
    same = video.truth_categories[:, None] == video.categories[d]
    return tracks_sums(np.where(same, iou, 0.0), video.present_truth, video.present[:, d], same)


def setting(video: PresentTracks, *, class_aware: bool, above: float | None) -> tuple[bytes, bool]:
    """Settings of one video for which this is equal have equal sums."""
    d = _kept(video, above)
    other = video.truth_categories[:, None] != video.categories[d]
    return d.tobytes(), class_aware and bool((other & (video.iou[:, :, d] > 0).any(axis=0)).any())


def per_class(video: PresentTracks, above: float | None) -> Iterator[tuple[int, HotaStatistics]]:
    """Sums of every category that has a mask in this video, by category id."""
    kept = _kept(video, above)
    for category in sorted({*video.truth_categories.tolist(), *video.categories[kept].tolist()}):
        g = np.flatnonzero(video.truth_categories == category)
        d = kept[video.categories[kept] == category]
        sums = tracks_sums(video.iou[:, g[:, None], d], video.present_truth[:, g], video.present[:, d])
        if sums.hits[0] + sums.misses[0] + sums.false_positives[0]:
            yield category, sums


def tracks_sums(
    iou: np.ndarray, present_truth: np.ndarray, present: np.ndarray, same: np.ndarray | None = None
) -> HotaStatistics:
    """Sums of one set of tracks. iou: [L, G, D], 0 where one is absent. present_truth [L, G], present [L, D].

    same: [G, D] bool, pairs of one category where categories are sets of their own; the iou of others is 0.
    Pairs of one frame are assigned by largest sum of IoU times the pair's alignment over the whole video.
    Source: Luiten et al., HOTA, IJCV 2021, sections 4 and 5; TrackEval `HOTA.eval_sequence`.
    """
    truth_count, count = present_truth.sum(axis=0).astype(float), present.sum(axis=0).astype(float)
    if not (truth_count.any() and count.any()):  # so it is for most categories of a video
        return _nothing_found(truth_count.sum(), count.sum())
    gains = alignment(iou, present_truth, present) * iou
    clear, column = clear_choices(gains)
    frames, g = np.nonzero((column >= 0) & clear[:, None])
    d = column[frames, g]
    rows, columns, similarity = [g], [d], [iou[frames, g, d]]
    for t in np.flatnonzero(~clear):
        for g, d in _sets(np.flatnonzero(present_truth[t]), np.flatnonzero(present[t]), same):
            i, j = assign(-gains[t][g[:, None], d])
            rows.append(g[i])
            columns.append(d[j])
            similarity.append(iou[t, g[i], d[j]])
    reached = np.concatenate(similarity)

    # a pair of masks is a hit at the first `passed` thresholds, so that counting them once counts for all
    passed = np.searchsorted(ALPHAS - EPSILON, reached, side="right")
    pairs = np.concatenate(rows) * len(count) + np.concatenate(columns)
    unique, row = np.unique(pairs, return_inverse=True)
    steps = len(ALPHAS) + 1
    histogram = np.bincount(row * steps + passed, minlength=len(unique) * steps).reshape(-1, steps)
    matches = np.cumsum(histogram[:, :0:-1], axis=1)[:, ::-1].astype(float)  # [pairs, 19]
    g, d = np.divmod(unique, len(count))
    first, second = truth_count[g][:, None], count[d][:, None]
    hits = matches.sum(axis=0)
    return HotaStatistics(
        hits=hits,
        misses=truth_count.sum() - hits,
        false_positives=count.sum() - hits,
        association=(matches * matches / np.maximum(1, first + second - matches)).sum(axis=0),
        association_recall=(matches * matches / np.maximum(1, first)).sum(axis=0),
        association_precision=(matches * matches / np.maximum(1, second)).sum(axis=0),
        location=np.cumsum(np.bincount(passed, reached, steps)[:0:-1])[::-1],
    )


def alignment(iou: np.ndarray, present_truth: np.ndarray, present: np.ndarray) -> np.ndarray:
    """How well each pair of tracks agrees over the whole video: [G, D] float64 in 0..1. Arguments as
    `tracks_sums`.

    Source: TrackEval `HOTA.eval_sequence`, global alignment score.
    """
    part = np.where(present_truth[:, :, None] & present[:, None, :], iou, 0.0)
    spread = part.sum(axis=1)[:, None, :] + part.sum(axis=2)[:, :, None] - part
    shares = np.divide(part, spread, out=np.zeros_like(part), where=spread > EPSILON)
    aligned = shares.sum(axis=0)
    both = present_truth.sum(axis=0)[:, None] + present.sum(axis=0)[None, :]
    return divide_or_zero(aligned, both - aligned)


def gather(videos: Sequence[HotaStatistics]) -> HotaStatistics:
    """Sums of several videos as [V, 19] arrays, in the order given."""
    return HotaStatistics(
        *(
            np.array([getattr(video, name) for video in videos]).reshape(-1, len(ALPHAS))
            for name in HotaStatistics.__slots__
        )
    )


def reduce(statistics: HotaStatistics, weights: np.ndarray) -> dict[str, np.ndarray]:
    """The numbers of METRICS under video weights [R, V]: arrays [R] in 0..1, mean over 19 thresholds.

    NaN where there is neither truth nor prediction.
    """
    return {name: value.mean(axis=1) for name, value in curves(statistics, weights).items()}


def curves(statistics: HotaStatistics, weights: np.ndarray) -> dict[str, np.ndarray]:
    """The numbers of METRICS at every threshold of ALPHAS under video weights [R, V]: arrays [R, 19].

    NaN where there is neither truth nor prediction. A threshold without a hit counts 1 in LocA and 0 in the
    others, as in TrackEval.
    Source: TrackEval `HOTA.combine_sequences` and `_compute_final_fields`; HOTA paper, equations 8 to 13;
    OWTA: Liu et al., Opening up Open World Tracking, CVPR 2022, equation 1.
    """
    weights = np.asarray(weights, dtype=float)
    hits, misses, false_positives, association, recall, precision, location = (
        weights @ getattr(statistics, name) for name in HotaStatistics.__slots__
    )
    everything = hits + misses + false_positives
    none = everything[:, :1] == 0
    detection, found = divide_or_zero(hits, everything), divide_or_zero(hits, hits + misses)
    associated = divide_or_zero(association, hits)
    values = {
        "HOTA": np.sqrt(detection * associated),
        "DetA": detection,
        "AssA": associated,
        "LocA": np.divide(location, hits, out=np.ones_like(hits), where=hits > 0),
        "DetRe": found,
        "DetPr": divide_or_zero(hits, hits + false_positives),
        "AssRe": divide_or_zero(recall, hits),
        "AssPr": divide_or_zero(precision, hits),
        "OWTA": np.sqrt(found * associated),
    }
    return {name: np.where(none, np.nan, value) for name, value in values.items()}


def _kept(video: PresentTracks, above: float | None) -> np.ndarray:
    return np.arange(len(video.scores)) if above is None else np.flatnonzero(video.scores > above)


def _sets(g: np.ndarray, d: np.ndarray, same: np.ndarray | None) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The rows [g] and columns [d] of one frame that are assigned by themselves: those of each category."""
    if same is None:
        yield g, d
        return
    left = np.ones(len(g), dtype=bool)
    while left.any():
        kind = same[g[left][0]]
        own = left & (same[g] == kind).all(axis=1)
        yield g[own], d[kind[d]]
        left &= ~own


def _nothing_found(truths: float, found: float) -> HotaStatistics:
    zero = np.zeros(len(ALPHAS))
    return HotaStatistics(zero, zero + truths, zero + found, zero, zero, zero, zero)
