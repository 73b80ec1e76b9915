"""Large JSON files read without an object for every mask: the masks stay in the text of the file.

The kernels step over the text, note where each ordinary mask lies and leave a reference in the place of every
list of masks. What remains is short and goes through the usual parser. Files that are not ordinary in some
respect (broken masks, runs of length 0, lists of masks in places that nobody knows) are read as a whole
instead, so that errors and results are those of the usual way.
"""

from __future__ import annotations

import mmap
from typing import Any

import numpy as np

from vis_bench.data.records import paused_garbage_collection
from vis_bench.errors import DataError
from vis_bench.files import fast_switch, parse_json
from vis_bench.masks.kernels import PackedMasks, decode, installed_kernels
from vis_bench.masks.mask_text import MaskText

MARK = "\x7f"
"""Begins the text that stands for a list of masks; no file has it otherwise."""
KEY = "segmentations"
# below, the parser alone is as good
WORTH_BYTES = 1 << 20
# the shortest mask, `{"size":[1,1],"counts":"0"}`, and the shortest entry of a list, `null,`
_SHORTEST_MASK, _SHORTEST_ENTRY = 27, 5


def parse_lifted(raw: bytes, path: str) -> Any | None:
    """Parsed annotations or results of YouTube-VIS whose lists of masks are `MaskRow`; path: for errors.

    None for a text that has to be parsed as a whole: it is small or not ordinary, or there are no kernels.
    """
    small = len(raw) < WORTH_BYTES and fast_switch() != "1"
    kernels = None if small or fast_switch() == "0" else installed_kernels()
    if kernels is None:
        return None
    text = np.frombuffer(raw, np.uint8)
    rest, entries = _room(len(text), np.uint8), _room(len(text) // _SHORTEST_ENTRY + 1, np.int64)
    places = tuple(_room(len(text) // _SHORTEST_MASK + 1, np.int64) for _ in range(4))
    length, masks, listed, lists = kernels.lift_masks(text, rest, places, entries)
    if length < 0 or masks == 0:
        return None
    begin, end, height, width = (one[:masks].copy() for one in places)
    entries = entries[:listed].copy()
    packed = PackedMasks(text, begin, end, escaped=True)
    decoded = decode(kernels, packed, height * width, keep_edges=False)
    if decoded is None:
        return None
    try:
        with paused_garbage_collection():
            payload = parse_json(rest[:length].tobytes(), path)
    except DataError:
        return None  # the place in the rest is not that in the file
    holders, places_of_lists = _references(payload)
    if len(holders) != lists:
        return None
    masks_of_file = MaskText.of(packed, height, width, decoded.areas, entries, kernels)
    for record, row in zip(holders, masks_of_file.rows(*np.array(places_of_lists).T), strict=True):
        record[KEY] = row
    return payload


def _room(count: int, kind: type[np.generic]) -> np.ndarray:
    """An array [count] of which only those pages take memory that are written to; NumPy's own may take large
    ones."""
    return np.frombuffer(mmap.mmap(-1, (count + 1) * np.dtype(kind).itemsize), kind)[:count]


def _references(payload: Any) -> tuple[list[dict[str, Any]], list[tuple[int, int]]]:
    """The tracks that have a reference to a list of masks: they, and where it begins and how long it is."""
    records = payload.get("annotations") if isinstance(payload, dict) else payload
    holders, lists = [], []
    for record in records if isinstance(records, list) else ():
        reference = record.get(KEY) if isinstance(record, dict) else None
        if isinstance(reference, str) and reference.startswith(MARK):
            first, count = map(int, reference[1:].split(" "))
            holders.append(record)
            lists.append((first, count))
    return holders, lists
