"""Masks that stay where a file has them: no Python object for each, but numbers in arrays.

A results file of YouTube-VIS holds a hundred thousand masks and more. As dictionaries with bytes they cost
more memory than the file and more time than measuring them; here they are places in the text of the file.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, overload

import numpy as np

from vis_bench.masks.kernels import Kernels, PackedMasks
from vis_bench.types import Rle


@dataclass(frozen=True, slots=True, eq=False)
class MaskText:
    """n checked masks in the text of a file, and e entries of lists of them.

    packed: their runs. height, width, area: [n] int64 pixels. entries: [e] int64, the mask of each entry, -1
    for null. entry_area: [e] int64, pixels, 0 for null.
    """

    packed: PackedMasks
    height: np.ndarray
    width: np.ndarray
    area: np.ndarray
    entries: np.ndarray
    entry_area: np.ndarray
    kernels: Kernels

    @classmethod
    def of(
        cls,
        packed: PackedMasks,
        height: np.ndarray,
        width: np.ndarray,
        area: np.ndarray,
        entries: np.ndarray,
        kernels: Kernels,
    ) -> MaskText:
        """With the area of every entry."""
        entry_area = np.where(entries >= 0, area[entries], 0)
        return cls(packed, height, width, area, entries, entry_area, kernels)

    def rows(self, first: np.ndarray, count: np.ndarray) -> list[MaskRow]:
        """The lists that begin at entries `first` [r] and have `count` [r] entries, each with a mask."""
        bounds = np.stack([first, first + count], axis=1)
        numbers = np.cumsum(self.entries >= 0)
        begin = np.where(first > 0, numbers[first - 1], 0)  # masks before the list
        size = self.height << 32 | self.width
        low, high = (of.reduceat(size, begin) for of in (np.minimum, np.maximum))
        one_size = low == high
        return [
            MaskRow(self, a, b, (key >> 32, key & 0xFFFFFFFF) if same else None)
            for (a, b), key, same in zip(bounds.tolist(), low.tolist(), one_size.tolist(), strict=True)
        ]

    def rle(self, number: int) -> Rle:
        """Mask `number` by itself."""
        begin, end = int(self.packed.begin[number]), int(self.packed.end[number])
        counts = self.packed.text[begin:end].tobytes()
        if self.packed.escaped:
            counts = counts.replace(b"\\\\", b"\\")
        size = [int(self.height[number]), int(self.width[number])]
        return {"size": size, "counts": counts, "area": int(self.area[number])}


class MaskRow(Sequence[Rle | None]):
    """The masks of one track, one per frame, None where it is absent; equal to a tuple of the same masks.

    text: where they are. begin, end: their entries there. size: (height, width) of all masks in pixels, None
    where they differ.
    """

    __slots__ = ("_boxes", "begin", "end", "size", "text")

    def __init__(self, text: MaskText, begin: int, end: int, size: tuple[int, int] | None) -> None:
        self.text, self.begin, self.end, self.size = text, begin, end, size
        self._boxes: np.ndarray | None = None

    @property
    def numbers(self) -> np.ndarray:
        """The mask of each frame, -1 for None: [L] int64."""
        return self.text.entries[self.begin : self.end]

    def __len__(self) -> int:
        return self.end - self.begin

    @overload
    def __getitem__(self, place: int) -> Rle | None: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[Rle | None, ...]: ...
    def __getitem__(self, place: int | slice) -> Rle | tuple[Rle | None, ...] | None:
        if isinstance(place, slice):
            return tuple(map(self._mask, self.numbers[place].tolist()))
        return self._mask(int(self.numbers[place]))

    def __iter__(self) -> Iterator[Rle | None]:
        return map(self._mask, self.numbers.tolist())

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, tuple | MaskRow):
            return NotImplemented
        return tuple(self) == tuple(other)

    __hash__ = None  # type: ignore[assignment]  # like a tuple of dictionaries

    def __repr__(self) -> str:
        return repr(tuple(self))

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled as a tuple: the text of a whole file does not travel with one track."""
        return tuple, (list(self),)

    def areas(self) -> np.ndarray:
        """Pixels in each frame, 0 where there is none: [L] int64."""
        return self.text.entry_area[self.begin : self.end]

    def boxes(self) -> np.ndarray:
        """Tight box (x, y, width, height) in each frame: [L, 4] float64 in pixels, NaN without a pixel."""
        if self._boxes is None:
            there = np.flatnonzero(self.areas() > 0)
            chosen, found = self.numbers[there], np.zeros((len(there), 4))
            self.text.kernels.tight_boxes(
                self.text.packed.of_numbers(chosen), self.text.height[chosen], found
            )
            boxes = np.full((len(self), 4), np.nan)
            boxes[there] = found
            self._boxes = boxes
        return self._boxes

    def _mask(self, number: int) -> Rle | None:
        return None if number < 0 else self.text.rle(number)
