"""Average precision and recall from matched predictions, for any weights on the videos.

Pure array code shared by video AP and frame AP.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from vis_bench.metrics.matching import VideoMatches

RECALL_LEVELS = np.linspace(0.0, 1.0, 101)  # linspace: ten of them lie one ulp above k/100
WEIGHT_BLOCK = 200_000  # replicates x predictions at once: bounds memory, and stays in the cache


@dataclass(frozen=True, slots=True)
class Summary:
    """One number of the table. threshold: index of the IoU threshold, None = mean over all of them.

    area: index of the area range. max_detections: predictions kept per category and video (or frame).
    """

    name: str
    kind: Literal["precision", "recall"]
    threshold: int | None
    area: int
    max_detections: int


@dataclass(frozen=True, slots=True)
class ApStatistics:
    """Matches of a whole data set with V videos, K categories, N predictions.

    video_ids [V] and category_ids [K] ascending. truth_count: [V, K, A] int32. Predictions are sorted by
    category, then by descending score, ties by video and position; category k owns start[k]:start[k + 1].
    video: [N] int64 row of `video_ids`. rank: [N] int64. score: [N] float64. matched, ignored: [A, T, N]
    bool.
    """

    video_ids: np.ndarray
    category_ids: np.ndarray
    truth_count: np.ndarray
    start: np.ndarray
    video: np.ndarray
    rank: np.ndarray
    score: np.ndarray
    matched: np.ndarray
    ignored: np.ndarray


def gather(
    videos: Sequence[VideoMatches], category_ids: Sequence[int], ranges: int, levels: int
) -> ApStatistics:
    """Sort the predictions of all videos once, so that every reduce is a pass over sorted arrays.

    category_ids: all categories of the data set; predictions and truth of any other are a KeyError.
    """
    videos = sorted(videos, key=lambda video: video.video_id)
    ids = np.array(sorted(category_ids), dtype=np.int64)
    row_of = {int(category): k for k, category in enumerate(ids)}

    def rows(categories: np.ndarray) -> np.ndarray:
        return np.array([row_of[int(category)] for category in categories], dtype=np.int64)

    truth_count = np.zeros((len(videos), len(ids), ranges), dtype=np.int32)
    for v, video in enumerate(videos):
        np.add.at(truth_count[v], rows(video.truth_category), video.truth_counted.T)

    empty = np.zeros(0)
    category = rows(np.concatenate([empty, *(video.category for video in videos)]))
    score = np.concatenate([empty, *(video.score for video in videos)])
    row = np.repeat(np.arange(len(videos)), [len(video.score) for video in videos])
    order = np.lexsort((-score, category))  # stable: ties keep ascending video, then position
    flags = np.zeros((ranges, levels, 0), dtype=bool)
    return ApStatistics(
        video_ids=np.array([video.video_id for video in videos], dtype=np.int64),
        category_ids=ids,
        truth_count=truth_count,
        start=np.searchsorted(category[order], np.arange(len(ids) + 1)),
        video=row[order],
        rank=np.concatenate([empty, *(video.rank for video in videos)])[order].astype(np.int64),
        score=score[order],
        matched=np.concatenate([flags, *(video.matched for video in videos)], axis=2)[:, :, order],
        ignored=np.concatenate([flags, *(video.ignored for video in videos)], axis=2)[:, :, order],
    )


def reduce(
    statistics: ApStatistics, weights: np.ndarray, summaries: Sequence[Summary]
) -> dict[str, np.ndarray]:
    """Scores under video weights.

    weights: [R, V] float64 >= 0, one column per `statistics.video_ids`. Returns one [R] array per summary, in
    0..1, NaN where no category has truth. A category without truth is left out of the mean.

    Source: pycocotools `COCOeval.accumulate` and `summarize`; YouTube-VIS uses the same.
    """
    return {
        name: mean_of_defined(values)
        for name, values in reduce_categories(statistics, weights, summaries).items()
    }


def reduce_categories(
    statistics: ApStatistics, weights: np.ndarray, summaries: Sequence[Summary]
) -> dict[str, np.ndarray]:
    """The same per category: one [R, K] array per summary, NaN where the category has no weighted truth.

    Raises ValueError if the weights have another shape or are negative or not finite.
    """
    weights = _checked(weights, statistics)
    shape = (len(weights), len(statistics.category_ids))
    values = {summary.name: np.full(shape, np.nan) for summary in summaries}
    with_truth = np.flatnonzero(statistics.truth_count.any(axis=(0, 2))).tolist()  # few of 50,000 categories
    for area, limit in sorted({(summary.area, summary.max_detections) for summary in summaries}):
        wanted = [s for s in summaries if (s.area, s.max_detections) == (area, limit)]
        need_precision = any(s.kind == "precision" for s in wanted)
        levels = sorted(
            {
                t
                for s in wanted
                for t in ([s.threshold] if s.threshold is not None else range(_levels(statistics)))
            }
        )
        for k in with_truth:
            own, same_as = _different_rows(statistics, weights, k)
            block = max(1, WEIGHT_BLOCK // max(1, int(statistics.start[k + 1] - statistics.start[k])))
            parts = [
                _category(statistics, own[low : low + block], k, area, limit, levels, need_precision)
                for low in range(0, max(1, len(own)), block)
            ]
            ap, recall = (np.concatenate(both) for both in zip(*parts, strict=True))
            for summary in wanted:
                source = ap if summary.kind == "precision" else recall
                found = (
                    source.mean(axis=1)
                    if summary.threshold is None
                    else source[:, levels.index(summary.threshold)]
                )
                values[summary.name][:, k] = found[same_as]
    return values


def _different_rows(statistics: ApStatistics, weights: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The weights that category k sees differently, and for each row of all weights which of them it is.

    Where single videos are left out, few of them have the category; the others are rows of ones to it.
    """
    if len(weights) <= 1:
        return weights, np.zeros(len(weights), dtype=np.int64)
    owned = np.asarray(statistics.truth_count[:, k].any(axis=1))
    owned[statistics.video[statistics.start[k] : statistics.start[k + 1]]] = True
    differs = (weights[1:, owned] != weights[:1, owned]).any(axis=1)
    if differs.all():
        return weights, np.arange(len(weights))
    kept = np.concatenate([[True], differs])
    return weights[kept], np.where(kept, np.cumsum(kept) - 1, 0)


def precision_recall(
    statistics: ApStatistics, max_detections: Sequence[int], recall_levels: np.ndarray = RECALL_LEVELS
) -> tuple[np.ndarray, np.ndarray]:
    """The evaluator's arrays: precision [T, levels, K, A, M] and recall [T, K, A, M], -1 where undefined.

    Source: pycocotools `COCOeval.accumulate` (`eval["precision"]`, `eval["recall"]`), equal bit for bit.
    """
    ranges, levels = statistics.matched.shape[:2]
    tail = (len(statistics.category_ids), ranges, len(max_detections))
    precision = np.full((levels, len(recall_levels), *tail), -1.0)
    recall = np.full((levels, *tail), -1.0)
    ones = np.ones((1, len(statistics.video_ids)))
    for k, a, m in np.ndindex(*tail):
        truth = ones @ statistics.truth_count[:, k, a]
        if truth[0] == 0:
            continue
        for t, steps in enumerate(_steps(statistics, ones, k, a, max_detections[m], range(levels))):
            hits, counted = steps
            reached = hits[0] / truth[0]
            envelope = _envelope(hits, counted)[0]
            recall[t, k, a, m] = reached[-1] if reached.size else 0.0
            index = np.searchsorted(reached, recall_levels, side="left")
            precision[t, :, k, a, m] = np.append(envelope, 0.0)[index]
    return precision, recall


def reached_scores(
    statistics: ApStatistics, max_detections: Sequence[int], recall_levels: np.ndarray = RECALL_LEVELS
) -> np.ndarray:
    """The score with which each recall level is reached: [T, levels, K, A, M], 0 where it is not, -1 where
    undefined.

    Source: pycocotools `COCOeval.accumulate` (`eval["scores"]`), equal bit for bit.
    """
    ranges, levels = statistics.matched.shape[:2]
    tail = (len(statistics.category_ids), ranges, len(max_detections))
    scores = np.full((levels, len(recall_levels), *tail), -1.0)
    for k, a, m in np.ndindex(*tail):
        truth = statistics.truth_count[:, k, a].sum()
        if truth == 0:
            continue
        rows = np.arange(int(statistics.start[k]), int(statistics.start[k + 1]))
        rows = rows[statistics.rank[rows] < max_detections[m]]
        right = statistics.matched[a][:, rows] & ~statistics.ignored[a][:, rows]
        for t, reached in enumerate(np.cumsum(right, axis=1) / truth):
            index = np.searchsorted(reached, recall_levels, side="left")
            scores[t, :, k, a, m] = np.append(statistics.score[rows], 0.0)[index]
    return scores


def mean_of_defined(values: np.ndarray) -> np.ndarray:
    """Mean over the last axis leaving NaN out, NaN where nothing is left, without numpy's warning."""
    defined = ~np.isnan(values)
    count = defined.sum(axis=-1)
    total = np.where(defined, values, 0.0).sum(axis=-1)
    return np.divide(total, count, out=np.full(count.shape, np.nan), where=count > 0)


def _category(
    statistics: ApStatistics,
    weights: np.ndarray,
    k: int,
    area: int,
    limit: int,
    levels: Sequence[int],
    need_precision: bool,
) -> tuple[np.ndarray, np.ndarray]:
    """AP and largest recall of one category: two [R, len(levels)] arrays, NaN without truth."""
    truth = weights @ statistics.truth_count[:, k, area]
    defined = truth > 0
    ap = np.full((len(weights), len(levels)), np.nan)
    recall = np.full((len(weights), len(levels)), np.nan)
    ap[defined], recall[defined] = 0.0, 0.0
    if not defined.any():
        return ap, recall
    for t, (hits, counted) in enumerate(_steps(statistics, weights[defined], k, area, limit, levels)):
        if hits.shape[1] == 0:
            continue
        reached = hits / truth[defined, None]
        recall[defined, t] = reached[:, -1]
        if need_precision:
            # the levels between two steps of recall all read the same precision, so count them
            crossed = np.searchsorted(RECALL_LEVELS, reached, side="right")
            crossed[:, 1:] -= crossed[:, :-1].copy()
            ap[defined, t] = (_envelope(hits, counted) * crossed).sum(axis=1) / len(RECALL_LEVELS)
    return ap, recall


def _steps(
    statistics: ApStatistics, weights: np.ndarray, k: int, area: int, limit: int, levels: Sequence[int]
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Per threshold, weighted counts at each right prediction by score: (right, right + wrong), each [R, p].

    Precision can only rise at a right prediction, so the positions in between need not be kept.
    """
    rows = np.arange(statistics.start[k], statistics.start[k + 1])
    rows = rows[statistics.rank[rows] < limit]
    per_prediction = weights[:, statistics.video[rows]]
    everything: np.ndarray | None = None
    result = []
    for t in levels:
        ignored = statistics.ignored[area, t, rows]
        right = np.flatnonzero(statistics.matched[area, t, rows] & ~ignored)
        hits = np.cumsum(per_prediction[:, right], axis=1)
        if right.size == 0:
            counted = hits
        elif ignored.any():
            kept = np.flatnonzero(~ignored)
            counted = np.cumsum(per_prediction[:, kept], axis=1)[:, np.searchsorted(kept, right)]
        else:
            if everything is None:
                everything = np.cumsum(per_prediction, axis=1)
            counted = everything[:, right]
        result.append((hits, counted))
    return result


def _envelope(hits: np.ndarray, counted: np.ndarray) -> np.ndarray:
    """Precision at each step, made to fall from left to right: [R, p]."""
    precision = hits / (counted + np.spacing(1))
    return np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]


def _levels(statistics: ApStatistics) -> int:
    return statistics.matched.shape[1]


def _checked(weights: np.ndarray, statistics: ApStatistics) -> np.ndarray:
    weights = np.asarray(weights, dtype=float)
    if weights.ndim != 2 or weights.shape[1] != len(statistics.video_ids):
        raise ValueError(f"weights have shape {weights.shape}, needed is [R, {len(statistics.video_ids)}].")
    if not np.isfinite(weights).all() or (weights < 0).any():
        raise ValueError("weights must be finite and not negative.")
    return weights
