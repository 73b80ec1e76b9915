"""The optional extra `fast`: whether its packages are there and worth their start-up time."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Sequence
from types import ModuleType

import numpy as np

# below this many masks the plain path is done before numba is imported
WORTH_MASKS = 20_000
SWITCH = "VIS_BENCH_FAST"


def load_kernels(masks: int) -> ModuleType | None:
    """The compiled kernels for an input of `masks` masks, or None: not installed, not worth it, switched off.

    VIS_BENCH_FAST=0 switches them off, VIS_BENCH_FAST=1 uses them for any input. Results are the same.
    """
    switch = os.environ.get(SWITCH, "")
    if switch == "0" or (masks < WORTH_MASKS and switch != "1"):
        return None
    if importlib.util.find_spec("numba") is None:
        return None
    from vis_bench import rle_kernels

    return rle_kernels


def json_parser() -> ModuleType | None:
    """orjson where it is installed and not switched off, else None."""
    if os.environ.get(SWITCH, "") == "0" or importlib.util.find_spec("orjson") is None:
        return None
    import orjson

    return orjson


def decode_edges(
    kernels: ModuleType, counts: Sequence[bytes], pixels: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Run ends of n compressed masks: (edges [r] int32, first edge of each mask [n + 1], areas [n]), int64.

    pixels: [n] int64 image sizes. None when a mask is not ordinary (broken, runs of length 0, an image of
    2^31 pixels): the plain path handles those.
    """
    if len(pixels) and pixels.max() >= 1 << 31:
        return None
    text = np.frombuffer(b"".join(counts), np.uint8)
    begin = np.concatenate([[0], np.cumsum(np.fromiter(map(len, counts), np.int64, len(counts)))])
    edges = np.empty(len(text), dtype=np.int32)
    first_edge = np.zeros(len(counts) + 1, dtype=np.int64)
    areas = np.zeros(len(counts), dtype=np.int64)
    if kernels.decode_masks(text, begin, pixels, edges, first_edge, areas) != kernels.ORDINARY:
        return None
    return edges, first_edge, areas
