"""Random draws that depend on nothing but their seed words.

NumPy promises that its bit generators and seed sequences never change; it does not promise that for
`Generator.permutation` or `.integers`. A training run has to see the same clips on any NumPy, so the few
draws needed are made from raw bits.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import TypeVar

import numpy as np

Item = TypeVar("Item")


class Draws:
    """A stream of draws. words: non-negative integers, such as (seed, index); equal words, equal stream."""

    def __init__(self, *words: int) -> None:
        self._bits = np.random.PCG64(np.random.SeedSequence(words))

    def unit(self) -> float:
        """Uniform in [0, 1)."""
        return (int(self._bits.random_raw()) >> 11) / 2.0**53

    def below(self, n: int) -> int:
        """Uniform whole number in 0..n-1; the bias of the modulo is under n / 2**64."""
        return int(self._bits.random_raw()) % n

    def choice(self, items: Sequence[Item]) -> Item:
        """One of the items."""
        return items[self.below(len(items))]

    def shuffled(self, n: int) -> list[int]:
        """0..n-1 in random order."""
        return np.argsort(self._bits.random_raw(n), kind="stable").tolist() if n else []


@functools.lru_cache(maxsize=8)
def shuffled_once(n: int, *words: int) -> np.ndarray:
    """`Draws(*words).shuffled(n)` as [n] int64, kept: a clip needs one number of an order of all videos."""
    order = np.array(Draws(*words).shuffled(n), dtype=np.int64)
    order.flags.writeable = False
    return order
