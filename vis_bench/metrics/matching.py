"""Greedy matching of predictions to truth as the COCO evaluator does it, for many groups at once.

A group is what competes for the same truth: the predictions of one category in one video (video AP) or in
one frame (frame AP).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

IOU_THRESHOLDS = np.linspace(0.5, 0.95, 10)  # linspace, not arange: 0.8999999999999999 is one of them


@dataclass(frozen=True, slots=True)
class Group:
    """One group with d predictions (by descending score), g truths and A area ranges.

    category: category id. scores: [d] float64. iou: [d, g] float64. crowd: [g] bool, truth that may be
    matched many times. truth_ignored: [A, g] bool, truth that need not be found. outside: [A, d] bool,
    predictions that are ignored unless they match.
    """

    category: int
    scores: np.ndarray
    iou: np.ndarray
    crowd: np.ndarray
    truth_ignored: np.ndarray
    outside: np.ndarray


@dataclass(frozen=True, slots=True)
class VideoMatches:
    """What AP needs of one video with n predictions and g truths, A area ranges, T thresholds.

    category, rank: [n] int64, category id and position by score within the group. score: [n] float64.
    matched, ignored: [A, T, n] bool; ignored predictions count neither as right nor as wrong.
    truth_category: [g] int64 ids; truth_counted: [A, g] bool, truth that has to be found. For frame AP
    every mask is a prediction or a truth of its own.
    """

    video_id: int
    category: np.ndarray
    rank: np.ndarray
    score: np.ndarray
    matched: np.ndarray
    ignored: np.ndarray
    truth_category: np.ndarray
    truth_counted: np.ndarray


def match_groups(
    video_id: int, groups: Iterable[Group], ranges: int, thresholds: np.ndarray = IOU_THRESHOLDS
) -> VideoMatches:
    """Match every group of one video. The order of the groups decides ties of the score between them.

    Unmatched predictions whose area is outside the range are ignored.
    Source: pycocotools `COCOeval.evaluateImg`.
    """
    none, flags = np.zeros(0, dtype=np.int64), np.zeros((ranges, len(thresholds), 0), dtype=bool)
    category, rank, score, matched, ignored = [none], [none], [np.zeros(0)], [flags], [flags]
    truth_category, truth_counted = [none], [np.zeros((ranges, 0), dtype=bool)]
    for group in groups:
        hit, to_ignored = match(group, thresholds)
        category.append(np.full(len(group.scores), group.category, dtype=np.int64))
        rank.append(np.arange(len(group.scores)))
        score.append(group.scores)
        matched.append(hit)
        ignored.append(to_ignored | (~hit & group.outside[:, None, :]))
        truth_category.append(np.full(len(group.crowd), group.category, dtype=np.int64))
        truth_counted.append(~group.truth_ignored)
    return VideoMatches(
        video_id=video_id,
        category=np.concatenate(category),
        rank=np.concatenate(rank),
        score=np.concatenate(score),
        matched=np.concatenate(matched, axis=2),
        ignored=np.concatenate(ignored, axis=2),
        truth_category=np.concatenate(truth_category),
        truth_counted=np.concatenate(truth_counted, axis=1),
    )


def match(group: Group, thresholds: np.ndarray = IOU_THRESHOLDS) -> tuple[np.ndarray, np.ndarray]:
    """Match predictions to truth, best score first.

    Returns two bool arrays [A, T, d]: matched, and matched to ignored truth (crowd or out of the area range).
    """
    taken = partners(group, thresholds)
    matched = taken >= 0
    if not matched.any():
        return matched, matched
    area = np.arange(len(taken))[:, None, None]
    return matched, matched & group.truth_ignored[area, taken]


def partners(group: Group, thresholds: np.ndarray = IOU_THRESHOLDS) -> np.ndarray:
    """The truth that each prediction matches: [A, T, d] int64 columns of `group.iou`, -1 for none.

    A prediction takes the free truth with the highest IoU >= threshold, among equal IoUs the last one, and
    ignored truth only if no other can be had. Crowd truth stays free.

    Source: pycocotools `COCOeval.evaluateImg`, unchanged in youtubevos/cocoapi `YTVOSeval.evaluateVid`.
    """
    count, truths = group.iou.shape
    ranges, levels = len(group.truth_ignored), len(thresholds)
    taken = np.full((ranges, levels, count), -1, dtype=np.int64)
    if group.iou.size == 0 or group.iou.max() < thresholds.min():
        return taken
    possible = group.iou >= thresholds.min()
    if possible.sum(axis=0).max() <= 1 and possible.sum(axis=1).max() <= 1:  # nobody competes
        d, g = np.nonzero(possible)
        taken[:, :, d] = np.where(group.iou[d, g] >= thresholds[:, None], g, -1)
        return taken
    ignored = group.truth_ignored[:, None, :]
    free = np.ones((ranges, levels, truths), dtype=bool)
    # a row below the lowest threshold can neither match nor take a truth away
    for row in np.flatnonzero(possible.any(axis=1)).tolist():
        iou = group.iou[row]
        candidate = free & (iou >= thresholds[:, None])
        regular = candidate & ~ignored
        has_regular = regular.any(axis=2)
        pool = np.where(has_regular[:, :, None], regular, candidate)
        # reversed, because argmax returns the first of equals and the last truth has to win
        best = truths - 1 - np.where(pool, iou, -1.0)[:, :, ::-1].argmax(axis=2)
        a, t = np.nonzero(pool.any(axis=2))
        chosen = best[a, t]
        taken[a, t, row] = chosen
        free[a, t, chosen] = group.crowd[chosen]
    return taken
