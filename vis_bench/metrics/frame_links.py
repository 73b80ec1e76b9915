"""Which track follows which object, frame by frame: CLEAR MOT's matching on mask IoU."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vis_bench.metrics.assignment import assign
from vis_bench.metrics.overlap import VideoOverlap, frame_iou, sequence_iou

MIN_IOU = 0.5
TIE_WEIGHT = 1e-9  # of the track IoU in the costs: far below any difference of two mask IoUs


@dataclass(frozen=True, slots=True)
class PresentFrame:
    """One frame of a video, restricted to objects with pixels and to kept tracks.

    truths: [g] and predictions: [d] int64 rows of the video. iou: [g, d] float64 in 0..1.
    cover: [g, d] float64 in 0..1, share of the object's pixels that the track has.
    """

    truths: np.ndarray
    predictions: np.ndarray
    iou: np.ndarray
    cover: np.ndarray


def present_frames(overlap: VideoOverlap, above: float) -> tuple[PresentFrame, ...]:
    """The L frames of a video for the predictions with score > `above`."""
    kept = overlap.scores > above
    result = []
    for t, frame in enumerate(overlap.frames):
        columns = np.flatnonzero(kept[frame.predictions])
        g, d = frame.truths, frame.predictions[columns]
        shared = frame.intersection[:, columns]
        iou = frame_iou(overlap, t)[:, columns]
        result.append(PresentFrame(g, d, iou, shared / overlap.truth_area[g, t][:, None]))
    return tuple(result)


def follow(overlap: VideoOverlap, frames: tuple[PresentFrame, ...]) -> np.ndarray:
    """The track matched to every object in every frame: [L, G] int64 rows of the predictions, -1 for none.

    A match of an earlier frame is carried on whenever IoU >= 0.5 still holds, however long ago it was. The
    rest is assigned one to one: most pairs, then smallest sum of 1 - IoU, then largest sum of track IoU.
    Source: Bernardin and Stiefelhagen 2008 (CLEAR MOT).
    """
    assigned = np.full((len(frames), len(overlap.truth_area)), -1, dtype=np.int64)
    partner = np.full(len(overlap.truth_area), -1, dtype=np.int64)
    tie_break: np.ndarray | None = None
    for t, frame in enumerate(frames):
        possible = frame.iou >= MIN_IOU
        if not possible.any():
            continue
        for row, g in enumerate(frame.truths.tolist()):
            column = np.flatnonzero(frame.predictions == partner[g])
            if column.size and possible[row, column[0]]:
                assigned[t, g] = partner[g]
                possible[row, :] = False
                possible[:, column[0]] = False
        if possible.sum(axis=0).max(initial=0) > 1 or possible.sum(axis=1).max(initial=0) > 1:
            if tie_break is None:
                tie_break = TIE_WEIGHT * sequence_iou(overlap)
            i, j = _assign(1.0 - frame.iou - tie_break[frame.truths[:, None], frame.predictions], possible)
        else:  # nobody competes, which is most frames
            i, j = np.nonzero(possible)
        assigned[t, frame.truths[i]] = frame.predictions[j]
        partner[frame.truths[i]] = frame.predictions[j]
    return assigned


def last_partner(assigned: np.ndarray) -> np.ndarray:
    """The last match of each object before every frame and after the last: [L + 1, G] int64, -1 for none."""
    frames = np.arange(1, len(assigned) + 1)[:, None]
    last = np.maximum.accumulate(np.where(assigned >= 0, frames, 0), axis=0)
    padded = np.concatenate([np.full((1, assigned.shape[1]), -1, dtype=np.int64), assigned])
    none = np.full((1, assigned.shape[1]), -1, dtype=np.int64)
    return np.concatenate([none, np.take_along_axis(padded, last, axis=0)])


def contested_frames(possible: np.ndarray) -> np.ndarray:
    """Frames in which an object or a track has several possible partners: [L] bool. possible: [L, G, D] bool.

    In all others every possible pair is a match, whatever the rule.
    """
    return (possible.sum(axis=2) > 1).any(axis=1) | (possible.sum(axis=1) > 1).any(axis=1)


def only_partners(possible: np.ndarray, contested: np.ndarray) -> np.ndarray:
    """The match of every object in the frames that are not contested: [L, G] int64 columns, -1 for none."""
    matched = possible.any(axis=2) & ~contested[:, None]
    if not possible.shape[2]:
        return np.full(matched.shape, -1, dtype=np.int64)
    return np.where(matched, possible.argmax(axis=2), -1)


def _assign(costs: np.ndarray, possible: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of smallest total cost among the possible ones; as many pairs as possible come first."""
    large = (
        2 * min(costs.shape) * (np.abs(costs[possible]).max() + 1) + 1
    )  # more than all good pairs together
    i, j = assign(np.where(possible, costs, large))
    valid = possible[i, j]
    return i[valid], j[valid]
