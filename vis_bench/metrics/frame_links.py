"""Which track follows which object, frame by frame: CLEAR MOT's matching on mask IoU."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from vis_bench.metrics.assignment import assign
from vis_bench.metrics.overlap import VideoOverlap, divide_or_zero, every_frame_iou, sequence_iou

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
    every_iou = every_frame_iou(overlap)
    every_cover = divide_or_zero(
        overlap.shared, np.broadcast_to(overlap.truth_area.T[:, :, None], every_iou.shape)
    )
    result = []
    for t, (in_truth, there) in enumerate(
        zip(overlap.present_truth.T, (overlap.present.T & kept), strict=True)
    ):
        g, d = in_truth.nonzero()[0], there.nonzero()[0]
        chosen = t, g[:, None], d
        result.append(PresentFrame(g, d, every_iou[chosen], every_cover[chosen]))
    return tuple(result)


def follow(overlap: VideoOverlap, frames: tuple[PresentFrame, ...]) -> np.ndarray:
    """The track matched to every object in every frame: [L, G] int64 rows of the predictions, -1 for none.

    A match of an earlier frame is carried on whenever IoU >= 0.5 still holds, however long ago it was. The
    rest is assigned one to one: most pairs, then smallest sum of 1 - IoU, then largest sum of track IoU.
    Source: Bernardin and Stiefelhagen 2008 (CLEAR MOT).
    """
    possible = np.zeros((len(frames), len(overlap.truth_area), len(overlap.area)), dtype=bool)
    for t, frame in enumerate(frames):
        possible[t, frame.truths[:, None], frame.predictions] = frame.iou >= MIN_IOU
    tie_break: list[np.ndarray] = []

    def solve(t: int, left: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if not tie_break:
            tie_break.append(TIE_WEIGHT * sequence_iou(overlap))
        frame = frames[t]
        chosen = frame.truths[:, None], frame.predictions
        i, j = _assign(1.0 - frame.iou - tie_break[0][chosen], left[chosen])
        return frame.truths[i], frame.predictions[j]

    return carried_on(possible, solve)


def carried_on(
    possible: np.ndarray, solve: Callable[[int, np.ndarray], tuple[np.ndarray, np.ndarray]]
) -> np.ndarray:
    """CLEAR MOT's matching: the track of every object in every frame, [L, G] int64 columns, -1 for none.

    possible: [L, G, D] bool. A match goes on whenever it is possible, however long ago it was; solve(t, left)
    chooses rows and columns among the pairs that are left [G, D], where several compete for one.
    """
    contested = contested_frames(possible)
    assigned = only_partners(possible, contested)
    frames = np.flatnonzero(contested)
    # the last frame before each contested one in which an object had its only partner
    numbers = np.where(assigned >= 0, np.arange(len(assigned))[:, None], -1)
    since = np.maximum.accumulate(numbers, axis=0)[frames]
    before = np.where(since >= 0, assigned[since, np.arange(since.shape[1])], -1)
    where, rows, columns = np.nonzero(possible[frames])
    bounds = np.searchsorted(where, np.arange(len(frames) + 1)).tolist()
    pairs = list(zip(rows.tolist(), columns.tolist(), strict=True))
    own: dict[
        int, tuple[int, int]
    ] = {}  # of each object its last match in a contested frame: (frame, column)
    for k, (t, when, partners) in enumerate(
        zip(frames.tolist(), since.tolist(), before.tolist(), strict=True)
    ):
        here = pairs[bounds[k] : bounds[k + 1]]
        open_pairs, chosen, taken = set(here), dict[int, int](), set[int]()
        for g in dict.fromkeys(g for g, _ in here):
            frame, column = own.get(g, (-1, -1))
            d = column if frame > when[g] else partners[g]
            if (g, d) in open_pairs and d not in taken:
                chosen[g] = d
                taken.add(d)
        left = [(g, d) for g, d in here if g not in chosen and d not in taken]
        if len({g for g, _ in left}) == len({d for _, d in left}) == len(left):  # nobody competes
            chosen.update(left)
        else:
            still = np.zeros(possible.shape[1:], dtype=bool)
            still[tuple(np.array(left).T)] = True
            i, j = solve(t, still)
            chosen.update(zip(i.tolist(), j.tolist(), strict=True))
        for g, d in chosen.items():
            assigned[t, g] = d
            own[g] = t, d
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
