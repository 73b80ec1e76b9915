"""Masks at another size straight from their run lengths: the mask at its own size is never made.

A mask at the size of the target holds the pixels at some rows and columns of the source ("nearest"). A run
of the source that ends at pixel p ends, in the target, after as many pixels as there are chosen ones before
p. So the runs of the target follow from those of the source by counting, the boxes from the runs, and the
pixels from the places in each column at which the mask begins and ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vis_bench.files import fast_switch
from vis_bench.masks.kernels import PackedMasks, decode, installed_kernels
from vis_bench.masks.rle_check import decode_runs
from vis_bench.types import Rle


@dataclass(frozen=True, slots=True)
class Window:
    """Which pixels of a source the target shows.

    source: (height, width) in pixels. rows: [h] int64 in 0..height-1, columns: [w] int64 in 0..width-1, both
    ascending, with repeats where the target is larger; h, w >= 1. mirrored: the target's columns run from
    right to left.
    """

    source: tuple[int, int]
    rows: np.ndarray
    columns: np.ndarray
    mirrored: bool = False


@dataclass(frozen=True, slots=True)
class SampledMasks:
    """n masks in a window of h x w pixels, as runs.

    boxes: [n, 4] int64 (x1, y1, x2, y2) in pixels of the target, tight, x2 and y2 exclusive, zeros for a mask
    without a pixel. visible: [n] bool, the mask has a pixel. The rest are the runs, down column after column
    of the chosen pixels: _owner: [r] mask, _left, _top, _right, _bottom: [r] first and last pixel of a run.
    """

    boxes: np.ndarray
    visible: np.ndarray
    _owner: np.ndarray
    _left: np.ndarray
    _top: np.ndarray
    _right: np.ndarray
    _bottom: np.ndarray
    _window: Window
    _down: _Axis
    _across: _Axis

    def draw(self, place: np.ndarray, out: np.ndarray) -> None:
        """Set the pixels of mask i in out[place[i]], for every visible one.

        place: [n] int64, different for visible masks. out: [m, h, w] bool, C-contiguous, all False.
        """
        if not len(self._owner):
            return
        height, width = out.shape[1:]
        flat = out.reshape(-1)
        target = place[self._owner]
        # where a run goes on into the next columns, it enters those at their top
        wraps = np.flatnonzero(self._right > self._left)
        lengths = (self._right - self._left)[wraps]
        entered = np.repeat(self._left[wraps], lengths) + _counted(lengths) + 1
        self._toggle(flat, target, self._left, self._down.begin[self._top], height, width)
        self._toggle(flat, np.repeat(target[wraps], lengths), entered, np.zeros_like(entered), height, width)
        after = self._down.end[self._bottom]
        inside = after < height
        self._toggle(flat, target[inside], self._right[inside], after[inside], height, width)
        # from here on a pixel differs from the one above where it is marked
        first, last = self.boxes[self.visible, 1].min(), self.boxes[self.visible, 3].max()
        for y in range(int(first) + 1, int(last)):
            np.logical_xor(out[:, y], out[:, y - 1], out=out[:, y])
        if last < height:
            # marked, because the masks have ended above
            out[:, last] = False

    def _toggle(
        self, flat: np.ndarray, target: np.ndarray, x: np.ndarray, y: np.ndarray, height: int, width: int
    ) -> None:
        """Change the marks at chosen columns x and target rows y; no place occurs twice."""
        begin = self._across.begin[x]
        if self._across.repeats:
            times = self._across.end[x] - begin
            begin = np.repeat(begin, times) + _counted(times)
            target, y = np.repeat(target, times), np.repeat(y, times)
        if self._window.mirrored:
            begin = width - 1 - begin
        at = (target * height + y) * width + begin
        flat[at] = ~flat[at]


@dataclass(frozen=True, slots=True)
class _Axis:
    """The chosen pixels of one side, each of them once: k of a source of L pixels.

    begin, end: [k] int64, where the target shows a chosen pixel. below: [L + 1] int64, how many chosen ones
    lie before a pixel. taken: [L + 1] int64, 1 where a pixel is chosen. repeats: one is shown twice.
    """

    begin: np.ndarray
    end: np.ndarray
    below: np.ndarray
    taken: np.ndarray
    repeats: bool

    @classmethod
    def of(cls, picked: np.ndarray, length: int) -> _Axis:
        new = np.ones(len(picked), dtype=bool)
        new[1:] = picked[1:] != picked[:-1]
        begin = np.flatnonzero(new)
        taken = np.zeros(length + 1, dtype=np.int64)
        taken[picked] = 1
        end = np.append(begin[1:], len(picked))
        return cls(begin, end, np.cumsum(taken) - taken, taken, len(begin) < len(picked))


def sample_masks(masks: Sequence[Rle], window: Window) -> SampledMasks:
    """The pixels of `masks` that a window shows.

    masks: n compressed masks of the size of the window's source.
    Raises BadCountsError for a mask whose runs cannot be read.
    """
    down, across = _Axis.of(window.rows, window.source[0]), _Axis.of(window.columns, window.source[1])
    edges, first_edge = _edges(masks, window.source)
    height = len(down.begin)
    x, y = np.divmod(edges, window.source[0])
    moved = across.below[x] * height + across.taken[x] * down.below[y]
    owner = np.repeat(np.arange(len(masks)), np.diff(first_edge))
    # within a mask every second run is foreground: the second, the fourth, ...
    stop_at = np.flatnonzero((np.arange(len(edges)) - first_edge[owner]) & 1)
    starts, stops, owner = moved[stop_at - 1], moved[stop_at], owner[stop_at]
    # runs between which no pixel was chosen are one run now
    kept = stops > starts
    starts, stops, owner = starts[kept], stops[kept], owner[kept]
    left, top = np.divmod(starts, height)
    right, bottom = np.divmod(stops - 1, height)
    bounds = np.searchsorted(owner, np.arange(len(masks) + 1))
    visible = np.diff(bounds) > 0
    boxes = np.zeros((len(masks), 4), dtype=np.int64)
    if len(owner):
        # a run over the end of a column holds its last pixel and the first of the next
        wraps = left != right
        begin, last = bounds[:-1][visible], bounds[1:][visible] - 1
        boxes[visible, 0] = across.begin[left[begin]]
        boxes[visible, 1] = down.begin[np.minimum.reduceat(np.where(wraps, 0, top), begin)]
        boxes[visible, 2] = across.end[right[last]]
        boxes[visible, 3] = down.end[np.maximum.reduceat(np.where(wraps, height - 1, bottom), begin)]
    if window.mirrored:
        boxes[visible, 0], boxes[visible, 2] = (
            len(window.columns) - boxes[visible, 2],
            len(window.columns) - boxes[visible, 0],
        )
    return SampledMasks(boxes, visible, owner, left, top, right, bottom, window, down, across)


def _edges(masks: Sequence[Rle], size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Where the runs of all masks end [r], in pixels, and each mask's first [n + 1]."""
    counts = [mask["counts"] for mask in masks]
    kernels = None if fast_switch() == "0" else installed_kernels()
    if kernels is not None:
        pixels = np.full(len(counts), size[0] * size[1], dtype=np.int64)
        decoded = decode(kernels, PackedMasks.of(counts), pixels)
        if decoded is not None:
            first_edge = decoded.first_edge
            return decoded.edges[: first_edge[-1]].astype(np.int64), first_edge
    ends = [np.cumsum(decode_runs(one)) for one in counts]
    first_edge = np.concatenate([[0], np.cumsum([len(one) for one in ends])]).astype(np.int64)
    return np.concatenate([np.zeros(0, np.int64), *ends]), first_edge


def _counted(lengths: np.ndarray) -> np.ndarray:
    """0..lengths[0]-1, 0..lengths[1]-1, ... behind one another."""
    ends = np.cumsum(lengths)
    return np.arange(ends[-1] if len(ends) else 0) - np.repeat(ends - lengths, lengths)
