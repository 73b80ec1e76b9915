"""Why a predicted track is wrong at an IoU threshold: one label per error, and what would repair it.

The definitions are in docs/errors.md, section "Error decomposition of video AP".
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from vis_bench.metrics import video_ap
from vis_bench.metrics.matching import IOU_THRESHOLDS, match
from vis_bench.metrics.overlap import VideoOverlap, divide_or_zero, frame_iou, sequence_iou

PREDICTION_KINDS = (
    "classification",
    "mask",
    "identity",
    "fragmentation",
    "duplicate",
    "background",
    "class_and_mask",
)
KINDS = (*PREDICTION_KINDS, "missed")
MIN_FOLLOW_IOU = 0.5
BACKGROUND_IOU = 0.1
MAX_SHARED = 0.5  # of the frames of the shorter of two pieces


@dataclass(frozen=True, slots=True)
class TrackMatches:
    """The matching of video AP in one video: N predictions that count, G objects, T thresholds.

    rows: [N] int64 rows of the predictions, by category and descending score. rank: [N] int64 within the
    category. matched, ignored: [T, N] bool. free: [T, G] bool, objects (no crowds) without a match.
    """

    rows: np.ndarray
    rank: np.ndarray
    matched: np.ndarray
    ignored: np.ndarray
    free: np.ndarray


@dataclass(frozen=True, slots=True)
class TrackErrors:
    """The errors of one video and their repairs.

    label: [T, N] int64, index into PREDICTION_KINDS, -1 where the prediction is right or ignored. given:
    [T, N] int64, row of the object that the repair gives to the prediction, -1 where it is removed (or has no
    label). missed: [T, G] bool, objects that are neither found nor given to a prediction.
    """

    label: np.ndarray
    given: np.ndarray
    missed: np.ndarray


def match_tracks(overlap: VideoOverlap) -> TrackMatches:
    """Match as video AP does, area range `all`, and say which objects stay free."""
    levels = len(IOU_THRESHOLDS)
    free = np.zeros((levels, len(overlap.crowd)), dtype=bool)
    none, flags = np.zeros(0, dtype=np.int64), np.zeros((levels, 0), dtype=bool)
    rows, rank, matched, ignored = [none], [none], [flags], [flags]
    for group in video_ap.groups(overlap):
        truth = np.flatnonzero(overlap.truth_categories == group.category)
        mine = np.flatnonzero(overlap.categories == group.category)
        count = len(group.scores)
        # after all predictions, one perfect probe per object: it is matched if and only if the object is free
        probed = replace(
            group,
            iou=np.concatenate([group.iou, np.eye(len(truth))]),
            truth_ignored=group.truth_ignored[:1],
            outside=np.zeros((1, count + len(truth)), dtype=bool),
        )
        hit, to_ignored = (flag[0] for flag in match(probed))
        free[:, truth] = hit[:, count:] & ~to_ignored[:, count:]
        rows.append(mine[np.argsort(-overlap.scores[mine], kind="stable")][:count])
        rank.append(np.arange(count))
        matched.append(hit[:, :count])
        ignored.append(to_ignored[:, :count] | (~hit[:, :count] & group.outside[0]))
    return TrackMatches(
        np.concatenate(rows),
        np.concatenate(rank),
        np.concatenate(matched, axis=1),
        np.concatenate(ignored, axis=1),
        free,
    )


def label_errors(overlap: VideoOverlap, found: TrackMatches) -> TrackErrors:
    """Label every wrong prediction and find what the repair of its kind makes of it.

    Source: Bolya et al., TIDE, ECCV 2020, section 2.2, with identity and fragmentation added.
    """
    iou = sequence_iou(overlap)[:, found.rows]
    same = overlap.truth_categories[:, None] == overlap.categories[found.rows]
    right_class, other_class = same & ~overlap.crowd[:, None], ~same & ~overlap.crowd[:, None]
    followed = followed_objects(overlap)[:, found.rows]
    follows = (followed[:, None, :] == np.arange(len(iou))[:, None]).any(axis=0)
    several = follows.sum(axis=0) >= 2
    broken, robbed = _other_pieces(followed, overlap.categories[found.rows], several)
    linked = linked_iou(overlap, found.rows, followed)

    label = np.full(found.matched.shape, -1, dtype=np.int64)
    given = np.full(found.matched.shape, -1, dtype=np.int64)
    for t, threshold in enumerate(IOU_THRESHOLDS):
        wrong = ~found.matched[t] & ~found.ignored[t]
        reached = right_class & follows & (linked >= threshold)[:, None]
        # [G, N] objects that the repair may give to a prediction; in the order in which the labels are tried
        objects = {
            "duplicate": right_class & (iou >= threshold),
            "classification": other_class & (iou >= threshold),
            "identity": reached & (several | robbed),
            "fragmentation": reached & broken,
            "mask": right_class & (iou >= BACKGROUND_IOU),
            "class_and_mask": other_class & (iou >= BACKGROUND_IOU),
        }
        left = wrong.copy()
        for kind, chosen in objects.items():
            mine = left & chosen.any(axis=0)
            label[t, mine] = PREDICTION_KINDS.index(kind)
            left &= ~mine
            if kind != "duplicate":
                _give(given[t], np.flatnonzero(mine), chosen, found.free[t], iou, overlap.scores[found.rows])
        label[t, left] = PREDICTION_KINDS.index("background")

    missed = found.free.copy()
    for t, row in enumerate(given):
        missed[t, row[row >= 0]] = False
    return TrackErrors(label, given, missed)


def followed_objects(overlap: VideoOverlap) -> np.ndarray:
    """The object that each prediction follows in each frame: [L, D] int64 rows of the truth, -1 for none.

    It is the object (no crowd) with the largest frame IoU, if that is at least 0.5.
    """
    result = np.full((len(overlap.frames), len(overlap.scores)), -1, dtype=np.int64)
    for t, frame in enumerate(overlap.frames):
        iou = np.where(overlap.crowd[frame.truths][:, None], 0.0, frame_iou(overlap, t))
        if iou.size:
            hit = iou.max(axis=0) >= MIN_FOLLOW_IOU
            result[t, frame.predictions[hit]] = frame.truths[iou.argmax(axis=0)[hit]]
    return result


def linked_iou(overlap: VideoOverlap, rows: np.ndarray, followed: np.ndarray) -> np.ndarray:
    """Track IoU of each object if the truth linked the predicted masks: [G] float64 in 0..1.

    rows: [N] int64, predictions that may be used. followed: [L, N]. In every frame the mask with the largest
    frame IoU is taken among the predictions of the object's category that follow it there.
    """
    shared, area = np.zeros(len(overlap.truth_area)), np.zeros(len(overlap.truth_area))
    for t, frame in enumerate(overlap.frames):
        iou = frame_iou(overlap, t)
        column = {int(d): j for j, d in enumerate(frame.predictions)}
        best: dict[int, tuple[float, int]] = {}
        for n in np.flatnonzero(followed[t] >= 0).tolist():
            g, d = int(followed[t, n]), int(rows[n])
            i = int(np.searchsorted(frame.truths, g))
            if overlap.categories[d] == overlap.truth_categories[g]:
                best[g] = max(best.get(g, (0.0, -1)), (float(iou[i, column[d]]), column[d]))
        for g, (_, j) in best.items():
            shared[g] += frame.intersection[np.searchsorted(frame.truths, g), j]
            area[g] += overlap.area[frame.predictions[j], t]
    return divide_or_zero(shared, overlap.truth_area.sum(axis=1) + area - shared)


def _other_pieces(
    followed: np.ndarray, categories: np.ndarray, several: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Who has another piece of the one object that each prediction follows: two [N] bool arrays.

    First: a prediction that follows this object only. Second: one that jumps between objects. followed:
    [L, N]. several: [N] bool, predictions that jump; they have no entry themselves.
    """
    kept, jumped = np.zeros(len(several), dtype=bool), np.zeros(len(several), dtype=bool)
    for g in np.unique(followed[followed >= 0]):
        members = np.flatnonzero((followed == g).any(axis=0))
        frames = (followed[:, members] == g).astype(np.int64)
        shared = frames.T @ frames
        size = np.diag(shared)
        apart = shared <= MAX_SHARED * np.minimum(size[:, None], size[None, :])
        piece = apart & (categories[members][:, None] == categories[members][None, :])
        single = ~several[members]
        kept[members] |= single & (piece & single).any(axis=1)
        jumped[members] |= single & (piece & ~single).any(axis=1)
    return kept, jumped


def _give(
    given: np.ndarray,
    wrong: np.ndarray,
    objects: np.ndarray,
    free: np.ndarray,
    iou: np.ndarray,
    scores: np.ndarray,
) -> None:
    """Write into `given` [N] the free object of each wrong prediction, best score first, each object once."""
    left = free.copy()
    for n in wrong[np.argsort(-scores[wrong], kind="stable")].tolist():
        possible = objects[:, n] & left
        if possible.any():
            g = int(np.where(possible, iou[:, n], -1.0).argmax())
            given[n] = g
            left[g] = False
