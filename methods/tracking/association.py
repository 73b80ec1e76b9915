"""Which identity a detection belongs to: the rule of MaskTrack R-CNN and the rule of CrossVIS.

Detection and association are apart, so that stored detections can be associated again under another rule.
Source: MaskTrack R-CNN public code; CrossVIS public code (specification 1.4 and 3.4).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from scipy.special import log_softmax

from methods.tracking.bank import Bank, RawDetections, empty_bank, forget, keep_latest, remember
from methods.tracking.lazy_masks import LazyMasks
from vis_bench.method import ADDED_LATER, FrameDetection, FrameResult

NEW, DISCARDED = -1, -2


@dataclass(frozen=True, slots=True)
class AssociationRule:
    """How a detection chooses its identity.

    rule: `masktrack` or `crossvis`. score_weight, iou_weight, label_weight: alpha, beta and gamma of the
    MaskTrack rule. dummy_logit: similarity that stands for "new object" (MaskTrack). new_below: a detection
    whose best cosine + IoU is below it becomes a new identity (CrossVIS). refresh_label: a match overwrites
    the stored class. forget_after_frames: identities unseen for longer are dropped, None keeps all.
    most_identities: of more than so many the ones that were seen last are kept, None keeps all.
    """

    rule: Literal["masktrack", "crossvis"] = "masktrack"
    score_weight: float = 1.0
    iou_weight: float = 2.0
    label_weight: float = 10.0
    dummy_logit: float = 0.0
    new_below: float = 0.4
    refresh_label: bool = False
    forget_after_frames: int | None = None
    most_identities: int | None = field(default=None, metadata=dict(ADDED_LATER))


def box_iou(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """IoU of all pairs: [n, 4] and [N, 4] (x1, y1, x2, y2) in the same coordinates -> [n, N] in 0..1."""
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(first[:, None, 2:], second[None, :, 2:])
    intersection = np.prod(np.clip(high - low, 0, None), axis=-1)
    area_first = np.prod(first[:, 2:] - first[:, :2], axis=-1)
    area_second = np.prod(second[:, 2:] - second[:, :2], axis=-1)
    union = area_first[:, None] + area_second[None] - intersection
    return np.divide(intersection, union, out=np.zeros_like(intersection), where=union > 0)


def masktrack_scores(detections: RawDetections, bank: Bank, rule: AssociationRule) -> np.ndarray:
    """v(n) = log p(n) + alpha log s + beta IoU + gamma delta(class): [n, 1 + N], column 0 = new object.

    p is the softmax over (dummy, all identities so far); the dummy has IoU 0 and delta 1, else nothing could
    ever be new. log s is constant along a row and decides between detections that want the same identity.
    Source: MaskTrack R-CNN public code (specification 1.4).
    """
    similarity = detections.embeddings @ bank.embeddings.T
    dummy = np.full((len(detections), 1), rule.dummy_logit)
    log_p = log_softmax(np.concatenate((dummy, similarity), axis=1), axis=1)
    log_s = np.log(np.clip(detections.scores, 1e-12, None))[:, None]
    iou = box_iou(detections.boxes, bank.boxes)
    same = detections.labels[:, None] == bank.labels[None]
    cues = rule.iou_weight * iou + rule.label_weight * same
    dummy_cues = np.full((len(detections), 1), rule.label_weight)
    return log_p + rule.score_weight * log_s + np.concatenate((dummy_cues, cues), axis=1)


def crossvis_scores(detections: RawDetections, bank: Bank, rule: AssociationRule) -> np.ndarray:
    """cosine + IoU with identities of the same class, -inf with others: [n, 1 + N]; column 0 = the threshold.

    Source: CrossVIS public code (specification 3.4).
    """

    def unit(x: np.ndarray) -> np.ndarray:
        return x / np.clip(np.linalg.norm(x, axis=1, keepdims=True), 1e-12, None)

    cosine = unit(detections.embeddings) @ unit(bank.embeddings).T
    pair = cosine + box_iou(detections.boxes, bank.boxes)
    pair = np.where(detections.labels[:, None] == bank.labels[None], pair, -np.inf)
    return np.concatenate((np.full((len(detections), 1), rule.new_below), pair), axis=1)


def choose_rows(scores: np.ndarray) -> np.ndarray:
    """Each detection takes its best column; several that want one identity: the largest score keeps it.

    scores: [n, 1 + N], column 0 = new. Returns [n] int64: bank row, NEW, or DISCARDED for the losers. Ties
    go to the lower column and the earlier detection; at equal score an identity is preferred to NEW.
    """
    # the reversed order of columns 0 and 1.. makes an identity win a tie against "new"
    columns = np.roll(scores, -1, axis=1)
    best = columns.argmax(axis=1)
    value = columns[np.arange(len(columns)), best]
    rows = np.where(best == columns.shape[1] - 1, NEW, best).astype(np.int64)
    for row in np.unique(rows[rows >= 0]):
        rivals = np.flatnonzero(rows == row)
        winner = rivals[value[rivals].argmax()]
        rows[rivals[rivals != winner]] = DISCARDED
    return rows


def associate(
    detections: RawDetections, bank: Bank, rule: AssociationRule, frame: int
) -> tuple[np.ndarray, Bank]:
    """Give the detections of one frame their identities.

    Returns identities [n] int64 (-1 = discarded, the detection is not put out) and the bank after this frame.
    No identity is given twice. On an empty bank every detection becomes an identity.
    """
    bank = forget(bank, frame, rule.forget_after_frames)
    score = {"masktrack": masktrack_scores, "crossvis": crossvis_scores}[rule.rule]
    rows = choose_rows(score(detections, bank, rule))
    after, identities = remember(bank, detections, rows, frame, rule.refresh_label)
    return identities, keep_latest(after, rule.most_identities)


def track_detections(
    frames: Iterable[RawDetections], rule: AssociationRule, num_classes: int
) -> Iterator[FrameResult]:
    """Frame results of a video from its detections, online: frame t + 1 is asked for after frame t is out.

    `class_scores` of a detection is its score at its own class and 0 elsewhere.
    """
    yield from track_with(
        frames, lambda detections, bank, frame: associate(detections, bank, rule, frame), num_classes
    )


def track_with(
    frames: Iterable[RawDetections],
    associate_frame: Callable[[RawDetections, Bank, int], tuple[np.ndarray, Bank]],
    num_classes: int,
) -> Iterator[FrameResult]:
    """As `track_detections`, under any rule.

    associate_frame: (detections, bank before, frame index) -> (identities [n], -1 = not put out; bank after).
    """
    bank: Bank | None = None
    for index, detections in enumerate(frames):
        if bank is None:
            bank = empty_bank(detections.embeddings.shape[1])
        identities, bank = associate_frame(detections, bank, index)
        if isinstance(detections.segmentations, LazyMasks):
            detections.segmentations.fetch(np.flatnonzero(identities >= 0))
        yield FrameResult(
            index,
            tuple(
                _frame_detection(detections, i, int(identity), num_classes)
                for i, identity in enumerate(identities)
                if identity >= 0
            ),
            detections,
        )


def _frame_detection(detections: RawDetections, i: int, identity: int, num_classes: int) -> FrameDetection:
    class_scores = np.zeros(num_classes, dtype=np.float32)
    class_scores[detections.labels[i]] = detections.scores[i]
    x1, y1, x2, y2 = (float(value) for value in detections.boxes[i])
    return FrameDetection(identity, class_scores, detections.segmentations[i], (x1, y1, x2 - x1, y2 - y1))
