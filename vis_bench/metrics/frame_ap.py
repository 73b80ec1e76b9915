"""AP of single frames: what a method is worth as a detector, with identities left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vis_bench.metrics import average_precision as ap
from vis_bench.metrics.frame_links import contested_frames
from vis_bench.metrics.matching import IOU_THRESHOLDS, Group, VideoMatches, match
from vis_bench.metrics.overlap import VideoOverlap, divide_or_zero, every_frame_iou

MAX_DETECTIONS = 100
SUMMARIES = (
    ap.Summary("AP", "precision", None, 0, MAX_DETECTIONS),
    ap.Summary("AP50", "precision", 0, 0, MAX_DETECTIONS),
)


@dataclass(frozen=True, slots=True)
class _Masks:
    """The masks of one side, frame by frame, by category and then in the order in which they are matched.

    frame, row: [n] int64, frame and track of each. category: [n] int64.
    """

    frame: np.ndarray
    row: np.ndarray
    category: np.ndarray

    @classmethod
    def of(cls, there: np.ndarray, categories: np.ndarray, order: np.ndarray) -> _Masks:
        """there: [L, n] bool, where each track is. order: [n] int64, tracks by category and within it."""
        frame, place = np.nonzero(there[:, order])
        row = order[place]
        return cls(frame, row, categories[row])

    def rank(self) -> np.ndarray:
        """The place of each mask within its frame and category: [n] int64, from 0."""
        numbers = np.arange(len(self.frame))
        new = np.ones(len(numbers), dtype=bool)
        new[1:] = (np.diff(self.frame) != 0) | (np.diff(self.category) != 0)
        return numbers - np.maximum.accumulate(np.where(new, numbers, 0))

    def only(self, kept: np.ndarray) -> _Masks:
        """Some of them: [n] bool."""
        return _Masks(self.frame[kept], self.row[kept], self.category[kept])


def per_video(overlap: VideoOverlap, count_empty: bool = False) -> VideoMatches:
    """Match the masks of one video frame by frame; every mask counts with the score of its track.

    What competes is the masks of a frame and category, by the score of their track (stable), at most 100.
    count_empty: a mask without a pixel is a detection, or an object to be found, as the official code has it.
    Source: pycocotools `COCOeval.computeIoU`, `evaluateImg`.
    """
    in_truth = overlap.written_truth if count_empty else overlap.present_truth
    there = overlap.written if count_empty else overlap.present
    truth = _Masks.of(
        in_truth.T, overlap.truth_categories, np.argsort(overlap.truth_categories, kind="stable")
    )
    masks = _Masks.of(there.T, overlap.categories, np.lexsort((-overlap.scores, overlap.categories)))
    masks = masks.only(masks.rank() < MAX_DETECTIONS)
    matched, ignored = _matched(overlap, _frame_iou(overlap), truth, masks)
    return VideoMatches(
        video_id=overlap.video_id,
        category=masks.category,
        rank=masks.rank(),
        score=overlap.scores[masks.row],
        matched=matched[None],
        ignored=ignored[None],
        truth_category=truth.category,
        truth_counted=~overlap.crowd[None, truth.row],
    )


def _frame_iou(overlap: VideoOverlap) -> np.ndarray:
    """IoU of every pair of one category in every frame, 0 for the others: [L, G, D] float64.

    That with crowd truth is intersection over the predicted area, as in COCO; video AP uses plain IoU.
    """
    iou = every_frame_iou(overlap)
    crowd = np.flatnonzero(overlap.crowd)
    if crowd.size:
        area = np.broadcast_to(overlap.area.T[:, None, :], (len(iou), len(crowd), iou.shape[2]))
        iou[:, crowd] = divide_or_zero(overlap.shared[:, crowd], area)
    return np.where(overlap.truth_categories[:, None] == overlap.categories, iou, 0.0)


def _matched(
    overlap: VideoOverlap, iou: np.ndarray, truth: _Masks, masks: _Masks
) -> tuple[np.ndarray, np.ndarray]:
    """Which of n masks match at each threshold, and which of these match a crowd: two bool arrays [T, n]."""
    reached = np.zeros(iou.shape, dtype=bool)
    reached[masks.frame, :, masks.row] = iou[masks.frame, :, masks.row] >= IOU_THRESHOLDS.min()
    contested = contested_frames(reached)
    if overlap.crowd.any():  # crowds may be matched many times, and come last
        contested |= reached[:, overlap.crowd].any(axis=(1, 2))
    best = iou.max(axis=1, initial=0.0)[masks.frame, masks.row]
    matched = (best >= IOU_THRESHOLDS[:, None]) & ~contested[masks.frame]
    ignored = np.zeros(matched.shape, dtype=bool)
    first, end = (np.searchsorted(masks.frame, np.arange(len(iou)), side) for side in ("left", "right"))
    begin, stop = (np.searchsorted(truth.frame, np.arange(len(iou)), side) for side in ("left", "right"))
    for t in np.flatnonzero(contested).tolist():
        own = np.arange(first[t], end[t])
        objects = truth.row[begin[t] : stop[t]]
        for category in sorted(set(overlap.truth_categories[objects].tolist())):
            n, g = (
                own[masks.category[own] == category],
                objects[overlap.truth_categories[objects] == category],
            )
            hit, to_ignored = match(
                Group(
                    category=category,
                    scores=overlap.scores[masks.row[n]],
                    iou=iou[t, g[:, None], masks.row[n]].T,
                    crowd=overlap.crowd[g],
                    truth_ignored=overlap.crowd[None, g],
                    outside=np.zeros((1, len(n)), dtype=bool),
                )
            )
            matched[:, n], ignored[:, n] = hit[0], to_ignored[0]
    return matched, ignored


def gather(videos: Sequence[VideoMatches], category_ids: Sequence[int]) -> ap.ApStatistics:
    """Statistics of the data set from those of its videos."""
    return ap.gather(videos, category_ids, 1, len(IOU_THRESHOLDS))


def reduce(statistics: ap.ApStatistics, weights: np.ndarray) -> dict[str, np.ndarray]:
    """AP and AP50 under video weights [R, V]: arrays [R] in 0..1, NaN where undefined."""
    return ap.reduce(statistics, weights, SUMMARIES)
