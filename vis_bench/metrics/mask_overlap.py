"""Areas and shared pixels of the masks of one video, by pycocotools or by the compiled kernels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType

import numpy as np
from pycocotools import mask as coco_mask

from vis_bench.fast import decode_edges, load_kernels
from vis_bench.types import Rle

MaskRows = Sequence[Sequence[Rle | None]]
Block = tuple[np.ndarray, np.ndarray]
"""Rows of the first and of the second kind whose masks are compared with one another."""


@dataclass(frozen=True, slots=True)
class MaskOverlap:
    """Areas [G, L] and [D, L] float64 in pixels of two kinds of masks, 0 where absent.

    shared: L arrays [g, d] float64 over the masks present in each frame, in the order of their rows.
    """

    first_area: np.ndarray
    second_area: np.ndarray
    shared: tuple[np.ndarray, ...]


def present_masks(rows: MaskRows, length: int) -> np.ndarray:
    """Where there is a mask: [rows, length] bool."""
    return np.array([[rle is not None for rle in row] for row in rows], dtype=bool).reshape(-1, length)


def measure_masks(
    first: MaskRows, second: MaskRows, length: int, blocks: Sequence[Block], masks_in_all: int
) -> MaskOverlap:
    """Measure all masks of one video of `length` frames.

    blocks: which rows are compared; pairs outside every block are left at 0 shared pixels. masks_in_all: size
    of the whole input, which decides whether the compiled kernels are worth loading. The numbers are whole
    and the same with and without them.
    """
    kernels = load_kernels(masks_in_all)
    if kernels is not None:
        found = _measure_compiled(kernels, first, second, length, blocks)
        if found is not None:
            return found
    first_area, second_area = mask_areas(first, length), mask_areas(second, length)
    present_first, present_second = present_masks(first, length), present_masks(second, length)
    shared = []
    for t in range(length):
        g, d = np.flatnonzero(present_first[:, t]), np.flatnonzero(present_second[:, t])
        table = np.zeros((len(g), len(d)))
        for block_first, block_second in blocks:
            rows, columns = np.flatnonzero(block_first[g]), np.flatnonzero(block_second[d])
            if rows.size and columns.size:
                table[rows[:, None], columns] = mask_intersections(
                    [first[i][t] for i in g[rows]],
                    [second[i][t] for i in d[columns]],
                    second_area[d[columns], t],
                )
        shared.append(table)
    return MaskOverlap(first_area, second_area, tuple(shared))


def mask_areas(rows: MaskRows, length: int) -> np.ndarray:
    """Pixels of masks in rows: [rows, length] float64 of whole numbers, 0 where None."""
    result = np.zeros((len(rows), length))
    for i, row in enumerate(rows):
        present = [(t, rle) for t, rle in enumerate(row) if rle is not None]
        unknown = [(t, rle) for t, rle in present if "area" not in rle]
        if len(unknown) < len(present):
            result[i] = [0 if rle is None else rle.get("area", 0) for rle in row]
        if unknown:
            result[i, [t for t, _ in unknown]] = coco_mask.area([rle for _, rle in unknown])
    return result


def mask_intersections(
    first: Sequence[Rle | None], second: Sequence[Rle | None], second_area: np.ndarray
) -> np.ndarray:
    """Pixels shared by each pair of masks: [len(first), len(second)] float64, exact whole numbers.

    pycocotools gives no intersection, but its IoU with a crowd is intersection / area of the other mask, so
    multiplying by that area and rounding gives the integer back exactly (areas are far below 2^52).
    """
    share = np.asarray(coco_mask.iou(second, first, [1] * len(first))).reshape(len(second), len(first))
    return np.rint(share * second_area[:, None]).T


def _measure_compiled(
    kernels: ModuleType, first: MaskRows, second: MaskRows, length: int, blocks: Sequence[Block]
) -> MaskOverlap | None:
    """The same with every mask decoded once; None for masks that the kernels leave to pycocotools."""
    present = np.concatenate([present_masks(first, length), present_masks(second, length)])
    masks = [rle for row in (*first, *second) for rle in row if rle is not None]
    number = np.cumsum(present.ravel()).reshape(present.shape) - 1  # of each mask that is there
    pixels = np.array([mask["size"][0] * mask["size"][1] for mask in masks], dtype=np.int64)
    decoded = decode_edges(kernels, [mask["counts"] for mask in masks], pixels)
    if decoded is None:
        return None
    edges, first_edge = decoded
    areas = np.zeros(len(masks), dtype=np.int64)
    kernels.mask_areas(edges, first_edge, areas)
    area = np.zeros(present.shape)
    area[present] = areas

    rows = len(first)
    places, left, right = [], [], []
    shared = []
    for t in range(length):
        g, d = np.flatnonzero(present[:rows, t]), np.flatnonzero(present[rows:, t])
        shared.append(np.zeros((len(g), len(d))))
        for block_first, block_second in blocks:
            i, j = np.flatnonzero(block_first[g]), np.flatnonzero(block_second[d])
            if i.size and j.size:
                places.append((t, i, j))
                left.append(np.repeat(number[g[i], t], len(j)))
                right.append(np.tile(number[rows + d[j], t], len(i)))
    if places:
        pairs = np.concatenate(left)
        common = np.zeros(len(pairs))
        kernels.shared_pixels(edges, first_edge, pairs, np.concatenate(right), common)
        start = 0
        for t, i, j in places:
            stop = start + len(i) * len(j)
            shared[t][i[:, None], j] = common[start:stop].reshape(len(i), len(j))
            start = stop
    return MaskOverlap(area[:rows], area[rows:], tuple(shared))
