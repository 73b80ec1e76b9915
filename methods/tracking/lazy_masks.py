"""Masks that are drawn only for the detections that an association puts out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import overload

import numpy as np

from vis_bench.types import Rle

Draw = Callable[[np.ndarray], Sequence[Rle | None]]
"""Rows [k] int64 of the detections of a frame -> their masks at the original size, None where it is empty."""


class LazyMasks(Sequence[Rle | None]):
    """The masks of the n detections of one frame, each drawn once, when it is first asked for.

    Association reads scores, boxes and embeddings. A detection that it does not put out needs no mask, unless
    the detections before association are kept. What `draw` holds on to (a frame's features) lives as long.
    """

    def __init__(self, count: int, draw: Draw) -> None:
        self._masks: list[Rle | None] = [None] * count
        self._drawn = np.zeros(count, dtype=bool)
        self._draw = draw

    def fetch(self, rows: np.ndarray) -> None:
        """Draw those of `rows` [k] int64 that are not there yet, at once."""
        missing = rows[~self._drawn[rows]]
        if len(missing):
            for row, mask in zip(missing, self._draw(missing), strict=True):
                self._masks[row] = mask
            self._drawn[missing] = True

    def __len__(self) -> int:
        return len(self._masks)

    @overload
    def __getitem__(self, index: int) -> Rle | None: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Rle | None]: ...
    def __getitem__(self, index: int | slice) -> Rle | Sequence[Rle | None] | None:
        self.fetch(np.atleast_1d(np.arange(len(self))[index]))
        return self._masks[index]

    def __iter__(self) -> Iterator[Rle | None]:
        self.fetch(np.arange(len(self)))
        return iter(self._masks)
