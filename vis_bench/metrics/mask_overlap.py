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


@dataclass(frozen=True, slots=True)
class MaskOverlap:
    """Areas [G, L] and [D, L] float64 in pixels of two kinds of masks over L frames, 0 where absent.

    shared: [L, G, D] float64 in pixels.
    """

    first_area: np.ndarray
    second_area: np.ndarray
    shared: np.ndarray


def present_masks(rows: Sequence[Sequence[object]], length: int) -> np.ndarray:
    """Where there is something: [rows, length] bool."""
    return np.array([[entry is not None for entry in row] for row in rows], dtype=bool).reshape(-1, length)


def measure_masks(
    first: MaskRows, second: MaskRows, length: int, compared: np.ndarray, masks_in_all: int
) -> MaskOverlap:
    """Measure all masks of one video of `length` frames.

    compared: [G, D] bool, the pairs of rows that are wanted; the others keep 0 shared pixels. masks_in_all:
    size of the whole input, which decides whether the compiled kernels are worth loading. The numbers are
    whole and the same with and without them.
    """
    kernels = load_kernels(masks_in_all)
    if kernels is not None:
        found = _measure_compiled(kernels, first, second, length, compared)
        if found is not None:
            return found
    first_area, second_area = mask_areas(first, length), mask_areas(second, length)
    shared = np.zeros((length, len(first), len(second)))
    for g, d in _blocks(compared):
        for t in range(length):
            rows = [i for i in g if first[i][t] is not None]
            columns = [j for j in d if second[j][t] is not None]
            if rows and columns:
                shared[t][np.ix_(rows, columns)] = mask_intersections(
                    [first[i][t] for i in rows], [second[j][t] for j in columns], second_area[columns, t]
                )
    return MaskOverlap(first_area, second_area, shared)


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


def _blocks(compared: np.ndarray) -> list[tuple[list[int], list[int]]]:
    """Rows and columns of each group of rows that are compared with the same columns."""
    patterns, group = np.unique(compared, axis=0, return_inverse=True)
    return [
        (np.flatnonzero(group == k).tolist(), np.flatnonzero(pattern).tolist())
        for k, pattern in enumerate(patterns)
        if pattern.any()
    ]


def _measure_compiled(
    kernels: ModuleType, first: MaskRows, second: MaskRows, length: int, compared: np.ndarray
) -> MaskOverlap | None:
    """The same with every mask decoded once; None for masks that the kernels leave to pycocotools."""
    rows = len(first)
    present = np.concatenate([present_masks(first, length), present_masks(second, length)])
    masks = [rle for row in (*first, *second) for rle in row if rle is not None]
    number = np.cumsum(present.ravel()).reshape(present.shape) - 1  # of each mask that is there
    pixels = np.array([mask["size"][0] * mask["size"][1] for mask in masks], dtype=np.int64)
    decoded = decode_edges(kernels, [mask["counts"] for mask in masks], pixels)
    if decoded is None:
        return None
    edges, first_edge, areas = decoded
    area = np.zeros(present.shape)
    area[present] = areas
    wanted = compared[:, :, None] & present[:rows, None, :] & present[None, rows:, :]
    g, d, t = np.nonzero(wanted)
    pair_pixels = np.zeros(len(g))
    kernels.shared_pixels(edges, first_edge, number[g, t], number[rows + d, t], pair_pixels)
    shared = np.zeros((length, rows, len(second)))
    shared[t, g, d] = pair_pixels
    return MaskOverlap(area[:rows], area[rows:], shared)
