"""Segmentations as files hold them (RLE of both kinds, polygons) turned into safe compressed RLE.

A file is read in one pass that only collects; all masks are then checked together, because NumPy is fast on
a hundred thousand masks and slow on one.
"""

from __future__ import annotations

import itertools
import math
import sys
from collections.abc import Callable, Collection
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask

from vis_bench.errors import DataError
from vis_bench.masks.mask_text import MaskRow
from vis_bench.masks.rle_check import BadCountsError, CheckedCounts, check_counts, compress_runs
from vis_bench.types import Rle, Video

_EXACT_IN_A_DOUBLE = 2**53


class SegmentationBatch:
    """Collects the segmentations of one file; `finish` checks them all and returns them in order.

    describe(record, frame) gives the words that tell a user where a segmentation stands; it is only called
    for an error.
    """

    def __init__(self, describe: Callable[[int, int], str]) -> None:
        self._describe = describe
        self._compressed: list[bytes] = []
        self._compressed_slots: list[int] = []
        self._runs: list[np.ndarray] = []
        self._runs_slots: list[int] = []
        self._sizes: list[tuple[int, int]] = []
        self._places: list[tuple[int, int]] = []

    def add(self, value: object, video: Video, record: int, frame: int) -> int:
        """Take one segmentation that is not null and return its number.

        Raises DataError when it is no mask or belongs to an image of another size than the video.
        """
        slot = len(self._places)
        self._places.append((record, frame))
        self._sizes.append((video.height, video.width))
        if isinstance(value, list):
            self._add_compressed(self._rasterise(value, video, record, frame), slot)
            return slot
        if not isinstance(value, dict) or "counts" not in value or "size" not in value:
            raise self._error(
                record,
                frame,
                "a segmentation must be an object with `size` and `counts`, a list of polygons or null, "
                f"found {_shorten(value)}",
            )
        if value["size"] != [video.height, video.width]:
            raise self._error(
                record,
                frame,
                f"mask of size {value['size']!r} in a video of [height, width] = "
                f"[{video.height}, {video.width}]. Write masks at the video's own size",
            )
        counts = value["counts"]
        if isinstance(counts, str):
            self._add_compressed(counts.encode("utf-8", "surrogatepass"), slot)
        elif isinstance(counts, bytes):
            self._add_compressed(counts, slot)
        elif isinstance(counts, list):
            self._runs.append(self._run_array(counts, record, frame))
            self._runs_slots.append(slot)
        else:
            raise self._error(record, frame, f"`counts` must be text or a list, found {_shorten(counts)}")
        return slot

    def add_track(self, values: list[Any] | MaskRow, video: Video, record: int) -> list[int | None] | MaskRow:
        """Take the segmentations of one track, one per frame of `video`; their numbers, None for null, [] and
        {}. A row of masks that were checked already stays what it is.

        The same as `add` for every frame, several times faster for a track of ordinary compressed masks.
        Raises DataError as `add`.
        """
        size = [video.height, video.width]
        if isinstance(values, MaskRow):
            if values.size == (video.height, video.width):
                return values
            values = list(values)
        values = [None if value is None or is_absent(value) else value for value in values]
        try:
            present = [value for value in values if value is not None]
            texts = [value["counts"].encode() for value in present if value["size"] == size]
        except (TypeError, KeyError, AttributeError, UnicodeEncodeError):
            texts = []
        if len(texts) < len(present):  # something else among them, or something wrong
            return [
                None if value is None else self.add(value, video, record, frame)
                for frame, value in enumerate(values)
            ]
        frames = [frame for frame, value in enumerate(values) if value is not None]
        first = len(self._places)
        numbers = range(first, first + len(texts))
        self._places.extend(zip(itertools.repeat(record), frames, strict=False))
        self._sizes.extend([(video.height, video.width)] * len(texts))
        self._compressed.extend(texts)
        self._compressed_slots.extend(numbers)
        if len(frames) == len(values):
            return list(numbers)
        number = iter(numbers)
        return [None if value is None else next(number) for value in values]

    def finish(self) -> tuple[list[Rle], np.ndarray]:
        """All masks as compressed RLE and their areas [n] int64 in pixels, in the order of `add`.

        Raises DataError for the first mask whose runs do not fill its image exactly.
        """
        pixels = [height * width for height, width in self._sizes]
        compressed = self._checked(
            self._compressed_slots,
            lambda: check_counts(self._compressed, [pixels[slot] for slot in self._compressed_slots]),
        )
        converted = self._checked(
            self._runs_slots, lambda: compress_runs(self._runs, [pixels[slot] for slot in self._runs_slots])
        )
        counts: list[bytes] = [b""] * len(pixels)
        areas = np.zeros(len(pixels), dtype=np.int64)
        for slots, checked in ((self._compressed_slots, compressed), (self._runs_slots, converted)):
            for slot, text in zip(slots, checked.counts, strict=True):
                counts[slot] = text
            areas[slots] = checked.areas
        rles: list[Rle] = [
            {"size": [height, width], "counts": text, "area": area}
            for (height, width), text, area in zip(self._sizes, counts, areas.tolist(), strict=True)
        ]
        return rles, areas

    def _checked(self, slots: list[int], check: Callable[[], CheckedCounts]) -> CheckedCounts:
        try:
            return check()
        except BadCountsError as error:
            record, frame = self._places[slots[error.index]]
            raise self._error(
                record, frame, f"broken mask: {error}. Encode the mask again at the video's size"
            ) from None

    def _add_compressed(self, counts: bytes, slot: int) -> None:
        self._compressed.append(counts)
        self._compressed_slots.append(slot)

    def _run_array(self, counts: list[object], record: int, frame: int) -> np.ndarray:
        try:
            # NumPy takes true for 1
            runs = np.asarray(counts if set(map(type, counts)) <= {int, float} else None)
        except (ValueError, OverflowError):
            runs = np.asarray(None)
        if runs.dtype == np.float64 and (np.abs(runs) < _EXACT_IN_A_DOUBLE).all():
            # some programs write whole numbers as 390.0
            whole = runs.astype(np.int64)
            runs = whole if (whole == runs).all() else runs
        if not counts or runs.ndim != 1 or runs.dtype != np.int64:
            raise self._error(
                record, frame, f"`counts` must be a list of whole numbers, found {_shorten(counts)}"
            )
        return runs

    def _rasterise(self, polygons: list[object], video: Video, record: int, frame: int) -> bytes:
        """Compressed runs of polygons [[x1, y1, x2, y2, ...], ...] in pixels, joined to one mask."""
        if not polygons:
            raise self._error(
                record, frame, "an empty list of polygons. Write null where the object is absent"
            )
        reach = 2 * max(video.width, video.height)
        for polygon in polygons:
            if not isinstance(polygon, list) or len(polygon) < 6 or len(polygon) % 2:
                raise self._error(
                    record,
                    frame,
                    "a polygon must be a list [x1, y1, x2, y2, x3, y3, ...] of at least three points, "
                    f"found {_shorten(polygon)}",
                )
            for number in polygon:
                if not is_finite_number(number) or abs(number) > reach:
                    raise self._error(
                        record, frame, f"polygon coordinate {number!r} is not a number near the image"
                    )
        parts = coco_mask.frPyObjects(polygons, video.height, video.width)
        return coco_mask.merge(parts)["counts"]

    def _error(self, record: int, frame: int, text: str) -> DataError:
        return DataError(f"{self._describe(record, frame)}: {text}.")


def is_absent(value: object) -> bool:
    """Whether an entry says that the object is not in this frame: null, [] and {} do; an empty mask is a
    mask."""
    return value is None or (not value and isinstance(value, (list, dict)))


def is_finite_number(value: object) -> bool:
    """True for int and float within the range of a double; false for NaN, infinity, bool and the rest."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return abs(value) <= sys.float_info.max


def are_finite_numbers(values: Collection[object]) -> bool:
    """Whether `is_finite_number` holds for every value."""
    if not set(map(type, values)) <= {int, float}:
        return all(map(is_finite_number, values))
    try:
        return all(map(math.isfinite, values))  # type: ignore[arg-type]
    except OverflowError:  # a whole number beyond the range of a double
        return False


def _shorten(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
