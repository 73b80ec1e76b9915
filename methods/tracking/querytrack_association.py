"""The association rule of QueryTrack: a product of cues, one-to-one, and who becomes a new identity.

Source: QueryTrack, Sec 2.3, Eq 8 and 9; specification 2.4.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np
from scipy.special import softmax

from methods.tracking.association import DISCARDED, NEW, box_iou
from methods.tracking.bank import Bank, RawDetections, keep_latest, remember
from vis_bench.errors import UsageError, did_you_mean
from vis_bench.method import ADDED_LATER


@dataclass(frozen=True, slots=True)
class QueryTrackRule:
    """How QueryTrack's candidates get their identities; the paper gives Eq 8 and 9 and none of these.

    init_threshold: detection confidence from which a candidate without identity starts a new one.
    similarity_gate: smallest cosine of the raw embeddings of a match, -1 switches it off. factor_floor:
    smallest F of a match; F falls as the bank grows, since all identities share a row of Eq 9, so a floor
    above 0 can turn known objects into new identities, which fill the bank further. losers: what happens to
    a candidate that could have matched but whose identities all went to others: the rule for new objects, or
    it is not put out. refresh_label: a match overwrites the stored class. most_identities: of more than so
    many the ones that were seen last are kept, None keeps all.
    """

    init_threshold: float = 0.05
    similarity_gate: float = 0.0
    factor_floor: float = 0.0
    losers: Literal["new", "discard"] = "new"
    refresh_label: bool = True
    most_identities: int | None = field(default=None, metadata=dict(ADDED_LATER))

    def __post_init__(self) -> None:
        known = get_args(Literal["new", "discard"])
        if self.losers not in known:
            raise UsageError(
                f"association.losers is {self.losers!r}, which is no known choice."
                + did_you_mean(str(self.losers), known)
            )


def bidirectional_similarity(candidates: np.ndarray, identities: np.ndarray) -> np.ndarray:
    """S of Eq 9: mean of the softmax over identities and the softmax over candidates.

    candidates: [M, D], identities: [N, D] float; returns [M, N] in 0..1. There is no entry for a new object:
    with M = N = 1 the value is 1 whatever the embeddings are.
    """
    products = candidates.astype(np.float64) @ identities.astype(np.float64).T
    if products.size == 0:
        return products
    return 0.5 * (softmax(products, axis=1) + softmax(products, axis=0))


def matching_factor(detections: RawDetections, bank: Bank) -> np.ndarray:
    """F = S (1 + IoU) / 2 (1 + confidence) / 2 delta(class) of Eq 8: [M, N] in 0..1, 0 between classes.

    All identities of the bank take part in S, those of other classes too. Embeddings of width 0 say nothing:
    S is 1 for every pair, since a softmax over equal values would say how many objects there are.
    """
    if detections.embeddings.shape[1]:
        similarity = bidirectional_similarity(detections.embeddings, bank.embeddings)
    else:
        similarity = np.ones((len(detections), len(bank)))
    iou = box_iou(detections.boxes, bank.boxes)
    same = detections.labels[:, None] == bank.labels[None]
    confidence = detections.scores[:, None]
    return similarity * (1 + iou) / 2 * (1 + confidence) / 2 * same


def cosine(candidates: np.ndarray, identities: np.ndarray) -> np.ndarray:
    """Cosine of all pairs: [M, D], [N, D] -> [M, N]; 0 where a vector is 0."""

    def unit(x: np.ndarray) -> np.ndarray:
        return x / np.clip(np.linalg.norm(x, axis=1, keepdims=True), 1e-12, None)

    return unit(candidates) @ unit(identities).T


def greedy_rows(
    factors: np.ndarray, eligible: np.ndarray, confidence: np.ndarray, rule: QueryTrackRule
) -> np.ndarray:
    """One-to-one assignment by decreasing factor, then new identities.

    factors: [M, N]. eligible: [M, N] bool, pairs that may match. confidence: [M]. Returns [M] int64: bank
    row, NEW or DISCARDED. Ties go to the earlier candidate, then to the earlier identity.
    """
    rows = np.full(len(factors), DISCARDED, dtype=np.int64)
    taken = np.zeros(factors.shape[1], dtype=bool)
    order = np.argsort(-factors, axis=None, kind="stable")
    for candidate, identity in zip(*np.unravel_index(order, factors.shape), strict=True):
        if eligible[candidate, identity] and rows[candidate] == DISCARDED and not taken[identity]:
            rows[candidate] = identity
            taken[identity] = True
    may_start = (rows == DISCARDED) & (confidence >= rule.init_threshold)
    if rule.losers == "discard":
        may_start &= ~eligible.any(axis=1)
    rows[may_start] = NEW
    return rows


def associate_queries(
    detections: RawDetections, bank: Bank, rule: QueryTrackRule, frame: int
) -> tuple[np.ndarray, Bank]:
    """Give the candidates of one frame their identities.

    Returns identities [M] int64 (-1 = not put out) and the bank after this frame; a match overwrites
    embedding, box and class. Source: QueryTrack, Sec 2.3; specification 2.4 and D1 for what it leaves out.
    """
    factors = matching_factor(detections, bank)
    eligible = (factors > 0) & (factors >= rule.factor_floor)
    if detections.embeddings.shape[1]:
        eligible &= cosine(detections.embeddings, bank.embeddings) >= rule.similarity_gate
    rows = greedy_rows(factors, eligible, detections.scores, rule)
    after, identities = remember(bank, detections, rows, frame, rule.refresh_label)
    return identities, keep_latest(after, rule.most_identities)
