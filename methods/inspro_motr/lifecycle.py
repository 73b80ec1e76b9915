"""When a track begins and ends at inference.

Source: MOTR's public code (specification 6.8).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Thresholds:
    """birth, keep: class probabilities in 0..1. patience_frames: missed frames that end a track. reset:
    "birth" clears the count of missed frames at a score of at least `birth` only, "keep" at `keep`.
    """

    birth: float
    keep: float
    patience_frames: int
    reset: Literal["birth", "keep"] = "birth"


@dataclass(frozen=True, slots=True)
class LiveTracks:
    """Tracks that go into the next frame. identities and missed (frames) have one entry per track query.

    next_identity: number of the next new track; numbers are not reused in a video.
    """

    identities: tuple[int, ...] = ()
    missed: tuple[int, ...] = ()
    next_identity: int = 0


@dataclass(frozen=True, slots=True)
class FrameTracks:
    """The tracks of a frame: `slots[i]` holds the track `after.identities[i]`, and goes into the next frame.

    Slots of detect queries are 0..N-1, those of track queries follow.
    """

    slots: tuple[int, ...]
    after: LiveTracks


def advance(
    scores: Sequence[float], detect_queries: int, before: LiveTracks, thresholds: Thresholds
) -> FrameTracks:
    """Apply the thresholds to one frame.

    A detect query with a score of at least `birth` starts a track in this very frame. A track below `keep`
    misses the frame; with `patience_frames` missed frames it ends and is not part of the frame any more.

    scores: of the detect queries, then of the tracks of `before`. Raises ValueError where their number is
    another.
    """
    if len(scores) != detect_queries + len(before.identities):
        raise ValueError(f"{len(scores)} scores for {detect_queries} + {len(before.identities)} queries")
    clear = thresholds.birth if thresholds.reset == "birth" else thresholds.keep
    slots, identities, missed = [], [], []
    for place, (identity, count) in enumerate(zip(before.identities, before.missed, strict=True)):
        slot = detect_queries + place
        if scores[slot] < thresholds.keep:
            count += 1
        elif scores[slot] >= clear:
            count = 0
        if count < thresholds.patience_frames:
            slots.append(slot)
            identities.append(identity)
            missed.append(count)
    number = before.next_identity
    for slot in range(detect_queries):
        if scores[slot] >= thresholds.birth:
            slots.append(slot)
            identities.append(number)
            missed.append(0)
            number += 1
    return FrameTracks(tuple(slots), LiveTracks(tuple(identities), tuple(missed), number))
