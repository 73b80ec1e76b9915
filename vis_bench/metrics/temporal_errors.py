"""Temporal consistency errors: per object and frame, what a viewer of the video would complain about.

The definitions are in docs/errors.md, section "Temporal errors".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vis_bench.metrics.frame_links import MIN_IOU, PresentFrame, follow, last_partner, present_frames
from vis_bench.metrics.overlap import VideoOverlap

KINDS = (
    "identity_change",
    "identity_switch",
    "lost",
    "merged",
    "duplicate",
    "late_birth",
    "early_death",
    "missed",
)
COUNTS = ("truth_frames", *KINDS)
SCORE_THRESHOLD = 0.3
"""A prediction is kept if its score is strictly greater."""
MIN_COVER = 0.5


@dataclass(frozen=True, slots=True)
class TemporalError:
    """One error. kind: of KINDS. frame: index from 0. truth_ids: annotation ids, the object concerned first.

    tracks: positions of the predictions in the scored list; which ones is said per kind in docs/errors.md.
    """

    kind: str
    video_id: int
    frame: int
    truth_ids: tuple[int, ...]
    tracks: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ErrorCounts:
    """Counts of one video (int64 scalar and [8]) or of V videos ([V] and [V, 8]).

    truth_frames: pairs of object and frame with a mask. errors: one column per entry of KINDS.
    """

    truth_frames: np.ndarray
    errors: np.ndarray


def per_video(overlap: VideoOverlap, above: float = SCORE_THRESHOLD) -> ErrorCounts:
    """Count the errors of one video for the predictions with score > `above`, categories ignored."""
    found = [KINDS.index(kind) for kind, *_ in _errors(overlap, above)]
    return ErrorCounts(
        truth_frames=np.array((overlap.truth_area > 0).sum(), dtype=np.int64),
        errors=np.bincount(np.array(found, dtype=np.int64), minlength=len(KINDS)).astype(np.int64),
    )


def events(
    overlap: VideoOverlap, truth_ids: Sequence[int], positions: Sequence[int], above: float = SCORE_THRESHOLD
) -> tuple[TemporalError, ...]:
    """Every error of one video, by frame, then kind, then objects; as many as `per_video` counts.

    truth_ids: [G] annotation id of each truth row. positions: [D] position of each predicted track in the
    list that was scored.
    """
    order = sorted(_errors(overlap, above), key=lambda error: (error[1], KINDS.index(error[0]), error[2:]))
    return tuple(
        TemporalError(
            kind,
            overlap.video_id,
            t,
            tuple(truth_ids[g] for g in truths),
            tuple(positions[d] for d in tracks),
        )
        for kind, t, truths, tracks in order
    )


def gather(videos: Sequence[ErrorCounts]) -> ErrorCounts:
    """Counts of several videos as [V] and [V, 8] int64 arrays, in the order given."""
    return ErrorCounts(
        truth_frames=np.array([video.truth_frames for video in videos], dtype=np.int64),
        errors=np.array([video.errors for video in videos], dtype=np.int64).reshape(-1, len(KINDS)),
    )


def reduce(counts: ErrorCounts, weights: np.ndarray) -> dict[str, np.ndarray]:
    """Weighted counts and rates under video weights [R, V]: arrays [R].

    Keys: truth_frames, then for every kind `<kind>` and `<kind>_per_100_frames` (100 * count / truth frames,
    NaN without truth frames).
    """
    weights = np.asarray(weights, dtype=float)
    frames, errors = weights @ counts.truth_frames, weights @ counts.errors
    result = {"truth_frames": frames}
    for k, kind in enumerate(KINDS):
        result[kind] = errors[:, k]
        result[f"{kind}_per_100_frames"] = np.divide(
            100 * errors[:, k], frames, out=np.full(len(frames), np.nan), where=frames > 0
        )
    return result


# kind, frame, rows of the truth, rows of the predictions
_Error = tuple[str, int, tuple[int, ...], tuple[int, ...]]


def _errors(overlap: VideoOverlap, above: float) -> list[_Error]:
    frames = present_frames(overlap, above)
    assigned = follow(overlap, frames)
    partner = last_partner(assigned)
    result = _identity_errors(assigned, partner)
    matched = (assigned >= 0).sum(axis=1).tolist()
    for t, frame in enumerate(frames):
        on_object = (frame.iou >= MIN_IOU).any(axis=0)
        if np.count_nonzero(on_object) > matched[t]:  # whoever has a match lies on its object
            result += _duplicates(t, frame, np.flatnonzero(on_object), assigned[t])
        if len(frame.truths) > matched[t]:
            result += _unmatched(t, frame, assigned, partner)
    return result


def _identity_errors(assigned: np.ndarray, partner: np.ndarray) -> list[_Error]:
    """Changes of track, and exchanges of tracks between two objects."""
    changed = (assigned >= 0) & (partner[:-1] >= 0) & (assigned != partner[:-1])
    changes = [
        (int(t), int(g), int(partner[t, g]), int(assigned[t, g]))
        for t, g in zip(*np.nonzero(changed), strict=True)
    ]
    pairs = [
        (second[0], i, j)
        for i, first in enumerate(changes)
        for j, second in enumerate(changes)
        if i != j and _is_exchange(first, second, partner)
    ]
    result: list[_Error] = []
    paired: set[int] = set()
    for t, i, j in sorted(pairs):
        if i not in paired and j not in paired:
            paired |= {i, j}
            first, second = sorted((changes[i], changes[j]), key=lambda change: change[1])
            result.append(("identity_switch", t, (first[1], second[1]), (first[3], second[3])))
    result += [
        ("identity_change", t, (g,), (old, new))
        for i, (t, g, old, new) in enumerate(changes)
        if i not in paired
    ]
    return result


def _is_exchange(first: tuple[int, ...], second: tuple[int, ...], partner: np.ndarray) -> bool:
    """Whether `second` completes the exchange that `first` began; both are (frame, object, old, new)."""
    t, g, old, new = first
    u, other, other_old, other_new = second
    # these are two objects: before frame t, `other` had the track that g did not have yet
    return (
        u >= t
        and (other_old, other_new) == (new, old)
        and partner[t, other] == new
        and partner[u + 1, g] == new
    )


def _duplicates(t: int, frame: PresentFrame, on_object: np.ndarray, assigned: np.ndarray) -> list[_Error]:
    """Masks without a match that lie on an object, which has a match, else these would have got it."""
    matched = set(assigned.tolist())
    result: list[_Error] = []
    for j, d in zip(on_object.tolist(), frame.predictions[on_object].tolist(), strict=True):
        if d not in matched:
            g = int(frame.truths[frame.iou[:, j].argmax()])
            result.append(("duplicate", t, (g,), (d, int(assigned[g]))))
    return result


def _unmatched(t: int, frame: PresentFrame, assigned: np.ndarray, partner: np.ndarray) -> list[_Error]:
    """One error for each object of frame t without a match."""
    now = assigned[t, frame.truths]
    # an object with a track of its own is not under another one
    under = (frame.cover >= MIN_COVER) & ((now < 0)[:, None] | (now[:, None] == frame.predictions))
    joined = under.sum(axis=0)
    result: list[_Error] = []
    for i in np.flatnonzero(now < 0):
        g = int(frame.truths[i])
        merging = np.flatnonzero(under[i] & (joined >= 2))
        if merging.size:
            # last, the objects decide, so that the order of the predictions does not
            j = max(merging.tolist(), key=lambda j: (frame.iou[i, j], joined[j], under[:, j].tolist()))
            others = frame.truths[under[:, j]].tolist()
            others.remove(g)
            result.append(("merged", t, (g, *others), (int(frame.predictions[j]),)))
            continue
        before, later = int(partner[t, g]), assigned[t + 1 :, g]
        first = later[later >= 0][:1].tolist()
        if before >= 0:
            result.append(("lost" if first else "early_death", t, (g,), (before,)))
        else:
            result.append(("late_birth" if first else "missed", t, (g,), tuple(first)))
    return result
