"""Masks that stay where a file has them: no Python object for each, but numbers in arrays.

A results file of YouTube-VIS holds a hundred thousand masks and more. As dictionaries with bytes they cost more
memory than the file and more time than measuring them; here they are places in the text of the file.
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
    """n checked masks in the text of a file.

    packed: their runs. height, width: [n] int64 pixels. area: [n] int64 pixels.
    """

    packed: PackedMasks
    height: np.ndarray
    width: np.ndarray
    area: np.ndarray
    kernels: Kernels

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

    text: where they are. numbers: [L] int64, the mask of each frame, -1 for None.
    """

    __slots__ = ("_boxes", "numbers", "text")

    def __init__(self, text: MaskText, numbers: np.ndarray) -> None:
        self.text, self.numbers = text, numbers
        self._boxes: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.numbers)

    @overload
    def __getitem__(self, place: int) -> Rle | None: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[Rle | None, ...]: ...
    def __getitem__(self, place: int | slice) -> Rle | None | tuple[Rle | None, ...]:
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

    def fits(self, height: int, width: int) -> bool:
        """Whether all masks have this size in pixels."""
        there = self.numbers[self.numbers >= 0]
        return bool((self.text.height[there] == height).all() and (self.text.width[there] == width).all())

    def areas(self) -> np.ndarray:
        """Pixels in each frame, 0 where there is none: [L] int64."""
        return np.where(self.numbers >= 0, self.text.area[self.numbers], 0)

    def boxes(self) -> np.ndarray:
        """Tight box (x, y, width, height) in each frame: [L, 4] float64 in pixels, NaN without a pixel."""
        if self._boxes is None:
            there = np.flatnonzero(self.areas() > 0)
            chosen, found = self.numbers[there], np.zeros((len(there), 4))
            self.text.kernels.tight_boxes(self.text.packed.of_numbers(chosen), self.text.height[chosen], found)
            self._boxes = np.full((len(self), 4), np.nan)
            self._boxes[there] = found
        return self._boxes

    def _mask(self, number: int) -> Rle | None:
        return None if number < 0 else self.text.rle(number)
