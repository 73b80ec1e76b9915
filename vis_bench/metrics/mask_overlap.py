"""Areas and shared pixels of the masks of one video, by pycocotools or by the compiled kernels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pycocotools import mask as coco_mask

from vis_bench.masks.kernels import DecodedMasks, Kernels, PackedMasks, decode, load_kernels
from vis_bench.masks.mask_text import MaskRow
from vis_bench.types import Rle

_FEW_PAIRS = 3
MaskRows = Sequence[Sequence[Rle | None]]


def written_masks(rows: Sequence[Sequence[object]], length: int) -> np.ndarray:
    """Where there is an entry, be it without a pixel: [rows, length] bool."""
    there = [
        row.numbers >= 0 if isinstance(row, MaskRow) else [entry is not None for entry in row] for row in rows
    ]
    return np.array(there, dtype=bool).reshape(-1, length)


def shared_masks(
    first: MaskRows, second: MaskRows, compared: np.ndarray, second_area: np.ndarray, masks_in_all: int
) -> np.ndarray:
    """Pixels that the masks of one video of L frames share: [L, G, D] float64 of whole numbers.

    compared: [G, D] bool, the pairs of rows that are wanted; the others keep 0. second_area: [D, L] float64,
    pixels of the second masks. masks_in_all: size of the whole input, which decides whether the compiled
    kernels are worth loading. The numbers are the same with and without them.
    """
    length = second_area.shape[1]
    shared = np.zeros((length, len(first), len(second)))
    if not compared.any():
        return shared
    kernels = load_kernels(masks_in_all)
    if kernels is not None and _share_compiled(kernels, first, second, compared, shared):
        return shared
    first, second = [list(row) for row in first], [list(row) for row in second]
    for g, d in _blocks(compared):
        for t in range(length):
            rows = [i for i in g if first[i][t] is not None]
            columns = [j for j in d if second[j][t] is not None]
            if rows and columns:
                shared[t, np.array(rows)[:, None], columns] = mask_intersections(
                    [first[i][t] for i in rows], [second[j][t] for j in columns], second_area[columns, t]
                )
    return shared


def reachable(first_area: np.ndarray, second_area: np.ndarray, least_iou: float) -> np.ndarray:
    """Which pairs of rows can reach an IoU of least_iou over all their frames: [G, D] bool.

    first_area: [G, L], second_area: [D, L], pixels. In a frame two masks share at most the smaller one and
    cover at least the larger one.
    """
    first, second = first_area[:, None], second_area[None, :]
    most, least = np.minimum(first, second).sum(axis=2), np.maximum(first, second).sum(axis=2)
    return most >= least_iou * least


def mask_areas(rows: MaskRows, length: int) -> np.ndarray:
    """Pixels of masks in rows: [rows, length] float64 of whole numbers, 0 where None."""
    known = [row.areas() for row in rows if isinstance(row, MaskRow)]
    if known and len(known) == len(rows):
        return np.array(known, dtype=float)
    result = np.zeros((len(rows), length))
    for i, row in enumerate(rows):
        if isinstance(row, MaskRow):
            result[i] = row.areas()
            continue
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
    multiplying by that area and rounding gives the integer back exactly (areas are far below 2^52). It first
    measures the box of every mask, though, so that a few pairs are faster drawn as masks of their own.
    """
    if len(first) * len(second) <= _FEW_PAIRS:
        pairs = [[coco_mask.merge([a, b], intersect=True) for b in second] for a in first]
        return np.array([[coco_mask.area(pair) for pair in row] for row in pairs], dtype=float)
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


def _share_compiled(
    kernels: Kernels, first: MaskRows, second: MaskRows, compared: np.ndarray, shared: np.ndarray
) -> bool:
    """Fill `shared` with every mask decoded once; False for masks that the kernels leave to pycocotools."""
    g, d = np.flatnonzero(compared.any(axis=1)), np.flatnonzero(compared.any(axis=0))
    rows, columns = [first[i] for i in g.tolist()], [second[j] for j in d.tolist()]
    in_rows, in_columns = written_masks(rows, len(shared)), written_masks(columns, len(shared))
    one, other = _decoded(kernels, rows, in_rows), _decoded(kernels, columns, in_columns)
    if one is None or other is None:
        return False
    i, j, t = np.nonzero(compared[g[:, None], d][:, :, None] & in_rows[:, None, :] & in_columns[None, :, :])
    pair_pixels = np.zeros(len(i))
    kernels.shared_pixels(one, other, _number(in_rows)[i, t], _number(in_columns)[j, t], pair_pixels)
    shared[t, g[i], d[j]] = pair_pixels
    return True


def _number(present: np.ndarray) -> np.ndarray:
    """The number of each mask that is there, row by row: [rows, L] int64."""
    return np.cumsum(present.ravel()).reshape(present.shape) - 1


def _decoded(kernels: Kernels, rows: MaskRows, present: np.ndarray) -> DecodedMasks | None:
    """Run ends of all masks of the rows. present: [rows, L] bool, where there is one."""
    texts = {id(text): text for text in (row.text if isinstance(row, MaskRow) else None for row in rows)}
    text = next(iter(texts.values()), None)
    if text is not None and len(texts) == 1:
        numbers = np.concatenate([row.numbers for row in rows if isinstance(row, MaskRow)])
        numbers = numbers[present.ravel()]
        packed, pixels = text.packed.of_numbers(numbers), text.height[numbers] * text.width[numbers]
    else:
        masks = [rle for row in rows for rle in row if rle is not None]
        packed = PackedMasks.of([mask["counts"] for mask in masks])
        pixels = np.array([mask["size"][0] * mask["size"][1] for mask in masks], dtype=np.int64)
    return decode(kernels, packed, pixels)
