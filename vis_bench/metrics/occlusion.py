"""How occluded an annotated object is by the labels of OVIS, and the ranges that OVIS reports AP in."""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import islice
from typing import Any, TypeGuard

import numpy as np

from vis_bench.errors import DataError
from vis_bench.types import TruthTrack

LABELS = {"no_occlusion": 0.0, "slight_occlusion": 0.25, "severe_occlusion": 0.75}
RANGES = {"so": (0.0, 0.25), "mo": (0.25, 0.5), "ho": (0.5, 1.0)}
"""Slightly, moderately and heavily occluded: inclusive at both ends."""
FIELD = "occlusion"


def has_labels(tracks: Iterable[TruthTrack]) -> bool:
    """Whether annotations say in the words of OVIS how occluded their objects are; the first twenty decide
    (they may be on disk). Other data sets give a field of that name other meanings: it is not used."""
    return any(_labels_any(track.extra.get(FIELD)) for track in islice(tracks, 20))


def occlusion(track: TruthTrack) -> float:
    """Mean of the more occluded half of the labelled frames (rounded up): 0..0.75, NaN without labels.

    A field without one label of OVIS means something else and counts as none. Raises DataError where labels
    of OVIS stand beside anything else.
    Source: qjy981010/cocoapi `OVISeval._prepare`.
    """
    given = track.extra.get(FIELD)
    if not _labels_any(given):
        return math.nan
    if not all(one is None or _is_label(one) for one in given):
        raise DataError(
            f"annotation {track.id}: `{FIELD}` must be a list of {', '.join(LABELS)} or null, one per frame."
        )
    scores = sorted(LABELS[one] for one in given if one is not None)
    top = scores[-math.ceil(len(scores) / 2) :]
    return sum(top) / len(top) if top else math.nan


def _labels_any(given: object) -> TypeGuard[list[Any]]:
    return isinstance(given, list) and any(map(_is_label, given))


def _is_label(one: object) -> bool:
    return isinstance(one, str) and one in LABELS


def outside(occlusions: np.ndarray) -> np.ndarray:
    """Which objects [G] lie outside each range of RANGES: [3, G] bool; those without labels are in none."""
    low, high = np.array(list(RANGES.values())).T
    return ~((occlusions >= low[:, None]) & (occlusions <= high[:, None]))
