"""Compiled run-length arithmetic (extra `fast`): the same numbers as the plain path, several times faster.

Importing this needs numba and takes about a second, so it is only done for large inputs: ask `load_kernels`.
The first call on a machine compiles for a second or two; the result is kept on disk beside this file.
"""

from __future__ import annotations

import numpy as np
from numba import njit

ORDINARY, NEEDS_FULL_CHECK = 0, 1


@njit(cache=True, nogil=True)
def decode_masks(
    text: np.ndarray,
    begin: np.ndarray,
    pixels: np.ndarray,
    edges: np.ndarray,
    first_edge: np.ndarray,
    areas: np.ndarray,
) -> int:
    """Run ends and areas of compressed masks.

    text: [c] uint8, all masks behind one another. begin: [n + 1] int64, mask i has text[begin[i]:
    begin[i + 1]].
    pixels: [n] int64 image sizes below 2^31. edges: [>= c] int32, written: the pixel at which each run ends,
    mask i in edges[first_edge[i]:first_edge[i + 1]] (first_edge: [n + 1] int64, written). areas: [n]
    int64, written: pixels. Returns ORDINARY, or NEEDS_FULL_CHECK when a mask is broken or has runs of length
    0 after the first.

    Source: COCO API, `common/maskApi.c`, rleFrString (public code fact).
    """
    written = 0
    first_edge[0] = 0
    for mask in range(len(begin) - 1):
        place, stop = begin[mask], begin[mask + 1]
        before, last = np.int64(0), np.int64(0)  # the runs two places and one place before
        end, count, area = np.int64(0), 0, np.int64(0)
        while place < stop:
            code = np.int64(text[place]) - 48
            place += 1
            if 0 <= code < 32:  # nearly every number has one character
                value = (code ^ 16) - 16
            else:
                value, shift = code & 31, 5
                while (code & 32) != 0:
                    if code > 63 or code < 0 or place >= stop or shift > 30:
                        return NEEDS_FULL_CHECK
                    code = np.int64(text[place]) - 48
                    value |= (code & 31) << shift
                    shift += 5
                    place += 1
                if code < 0 or code > 31:
                    return NEEDS_FULL_CHECK
                if (code & 16) != 0:
                    value |= np.int64(-1) << shift
            run = value + before if count > 2 else value
            if run < 0 or (run == 0 and count > 0):
                return NEEDS_FULL_CHECK
            end += run
            if count % 2 == 1:
                area += run
            if end > pixels[mask]:
                return NEEDS_FULL_CHECK
            edges[written] = end
            written += 1
            count += 1
            before, last = last, run
        if count == 0 or end != pixels[mask]:
            return NEEDS_FULL_CHECK
        first_edge[mask + 1] = written
        areas[mask] = area
    return ORDINARY


@njit(cache=True, nogil=True)
def shared_pixels(
    edges: np.ndarray, first_edge: np.ndarray, first: np.ndarray, second: np.ndarray, shared: np.ndarray
) -> None:
    """Pixels that masks first[p] and second[p] have in common, into shared [p] float64.

    Walks over the foreground stretches of both masks, from where both have begun.
    """
    for pair in range(len(first)):
        a, a_stop = first_edge[first[pair]] + 1, first_edge[first[pair] + 1]
        b, b_stop = first_edge[second[pair]] + 1, first_edge[second[pair] + 1]
        total = np.int64(0)
        if a < a_stop and b < b_stop:
            a = _skip(edges, a, a_stop, edges[b - 1])
            if a < a_stop:
                b = _skip(edges, b, b_stop, edges[a - 1])
        while a < a_stop and b < b_stop:
            low = max(edges[a - 1], edges[b - 1])
            high = min(edges[a], edges[b])
            if high > low:
                total += high - low
            if edges[a] < edges[b]:
                a += 2
            else:
                b += 2
        shared[pair] = total


@njit(cache=True, nogil=True)
def _skip(edges: np.ndarray, place: int, stop: int, start: int) -> int:
    """First foreground stretch of a mask that ends after pixel `start`, found by halving."""
    low, high = 0, (stop - place + 1) // 2
    while low < high:
        middle = (low + high) // 2
        if edges[place + 2 * middle] <= start:
            low = middle + 1
        else:
            high = middle
    return place + 2 * low
