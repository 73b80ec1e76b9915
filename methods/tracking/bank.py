"""What a frame brings and what is remembered of identities; numpy only, all boxes in original pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vis_bench.method import RawDetections

__all__ = ["Bank", "RawDetections", "empty_bank", "forget", "keep_latest", "remember"]


@dataclass(frozen=True, slots=True)
class Bank:
    """All identities of a video so far (not those of the last frame only).

    identities: [N] int64. embeddings: [N, D]. boxes: [N, 4], last box in original pixels. labels: [N] int64.
    last_seen: [N] int64, frame index. next_identity: number of the next new identity; numbers are not reused.
    """

    identities: np.ndarray
    embeddings: np.ndarray
    boxes: np.ndarray
    labels: np.ndarray
    last_seen: np.ndarray
    next_identity: int

    def __len__(self) -> int:
        return len(self.identities)


def empty_bank(width: int) -> Bank:
    """A bank without identities for embeddings of the given width; a video starts with it."""
    none = np.zeros(0, dtype=np.int64)
    return Bank(none, np.zeros((0, width)), np.zeros((0, 4)), none, none, 0)


def forget(bank: Bank, frame: int, after_frames: int | None) -> Bank:
    """Drop identities that were last seen more than `after_frames` frames before `frame`; None keeps all."""
    if after_frames is None:
        return bank
    return _only(bank, frame - bank.last_seen <= after_frames)


def keep_latest(bank: Bank, most: int | None) -> Bank:
    """The `most` identities that were seen last, in their order, of equal ones the oldest; None keeps all."""
    if most is None or len(bank) <= most:
        return bank
    keep = np.zeros(len(bank), dtype=bool)
    keep[np.argsort(-bank.last_seen, kind="stable")[:most]] = True
    return _only(bank, keep)


def _only(bank: Bank, keep: np.ndarray) -> Bank:
    """The identities where `keep` [N] bool is true."""
    return Bank(
        bank.identities[keep],
        bank.embeddings[keep],
        bank.boxes[keep],
        bank.labels[keep],
        bank.last_seen[keep],
        bank.next_identity,
    )


def remember(
    bank: Bank, detections: RawDetections, rows: np.ndarray, frame: int, refresh_label: bool = False
) -> tuple[Bank, np.ndarray]:
    """Write one frame into the bank.

    rows: [n] int64 per detection: the bank row it matched (each row at most once), -1 for a new identity,
    -2 for a detection that is discarded. A match overwrites embedding, box and last_seen, and the label only
    with `refresh_label`. Returns the new bank and the identity of each detection [n] int64, -1 = discarded.
    """
    matched, new = rows >= 0, rows == -1
    target = rows[matched]
    identities = np.full(len(rows), -1, dtype=np.int64)
    identities[matched] = bank.identities[target]
    identities[new] = bank.next_identity + np.arange(new.sum())

    embeddings, boxes = bank.embeddings.copy(), bank.boxes.copy()
    labels, last_seen = bank.labels.copy(), bank.last_seen.copy()
    embeddings[target] = detections.embeddings[matched]
    boxes[target] = detections.boxes[matched]
    last_seen[target] = frame
    if refresh_label:
        labels[target] = detections.labels[matched]
    return (
        Bank(
            np.concatenate((bank.identities, identities[new])),
            np.concatenate((embeddings, detections.embeddings[new])),
            np.concatenate((boxes, detections.boxes[new])),
            np.concatenate((labels, detections.labels[new])),
            np.concatenate((last_seen, np.full(new.sum(), frame, dtype=np.int64))),
            bank.next_identity + int(new.sum()),
        ),
        identities,
    )
