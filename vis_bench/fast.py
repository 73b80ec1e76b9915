"""What makes scoring faster where it can be had: compiled kernels and the JSON parser of the extra `fast`."""

from __future__ import annotations

import functools
import importlib.util
import os
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

from vis_bench.cache import default_cache_root

if TYPE_CHECKING:
    from vis_bench.rle_kernels import Kernels

# below this many masks the plain path is done before the kernels are built
WORTH_MASKS = 5_000
SWITCH = "VIS_BENCH_FAST"


def load_kernels(masks: int) -> Kernels | None:
    """The compiled kernels for an input of `masks` masks, or None: no compiler, not worth it, switched off.

    VIS_BENCH_FAST=0 switches them off, VIS_BENCH_FAST=1 uses them for any input. Results are the same.
    """
    switch = os.environ.get(SWITCH, "")
    if switch == "0" or (masks < WORTH_MASKS and switch != "1"):
        return None
    return _kernels(default_cache_root())


@functools.cache
def _kernels(folder: Path) -> Kernels | None:
    from vis_bench import rle_kernels

    return rle_kernels.load(folder)


def json_parser() -> ModuleType | None:
    """orjson where it is installed and not switched off, else None."""
    if os.environ.get(SWITCH, "") == "0" or importlib.util.find_spec("orjson") is None:
        return None
    import orjson

    return orjson


def decode_edges(
    kernels: Kernels, counts: Sequence[bytes], pixels: np.ndarray, keep_edges: bool = True
) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Run ends of n compressed masks: (edges [r] int32, first edge of each mask [n + 1], areas [n]), int64.

    pixels: [n] int64 image sizes. keep_edges: without, only the areas are right, in less time. None when a
    mask is not ordinary (broken, runs of length 0, an image of 2^31 pixels): the plain path handles those.
    """
    if len(pixels) and pixels.max() >= 1 << 31:
        return None
    text = np.frombuffer(b"".join(counts), np.uint8)
    begin = np.concatenate([[0], np.cumsum(np.fromiter(map(len, counts), np.int64, len(counts)))])
    edges = np.empty(len(text) if keep_edges else 0, dtype=np.int32)
    first_edge = np.zeros(len(counts) + 1, dtype=np.int64)
    areas = np.zeros(len(counts), dtype=np.int64)
    if not kernels.decode_masks(text, begin, pixels, edges if keep_edges else None, first_edge, areas):
        return None
    return edges, first_edge, areas
