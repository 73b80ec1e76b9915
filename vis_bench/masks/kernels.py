"""Compiled run-length arithmetic: the same numbers as the plain path, several times faster.

`kernels.c` is built into the module `_kernels` when the package is installed. Where there was no compiler
then, the plain path (NumPy and pycocotools) is used.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np

from vis_bench.errors import DataError
from vis_bench.files import FAST_SWITCH, fast_switch

MODULE = "vis_bench.masks._kernels"
_FUNCTIONS = ("decode_masks", "lift_masks", "shared_pixels", "tight_boxes")
# below this many masks the plain path is as good
WORTH_MASKS = 5_000


@dataclass(frozen=True, slots=True)
class PackedMasks:
    """n compressed masks inside one text.

    text: [c] uint8. begin, end: [n] int64, mask i is text[begin[i]:end[i]]. escaped: every backslash stands
    there twice, as in the text of a JSON file.
    """

    text: np.ndarray
    begin: np.ndarray
    end: np.ndarray
    escaped: bool = False

    @classmethod
    def of(cls, counts: Sequence[bytes]) -> PackedMasks:
        """Masks behind one another."""
        bounds = np.concatenate([[0], np.cumsum(np.fromiter(map(len, counts), np.int64, len(counts)))])
        text = np.frombuffer(b"".join(counts), np.uint8)
        return cls(text, np.ascontiguousarray(bounds[:-1]), np.ascontiguousarray(bounds[1:]))

    def of_numbers(self, numbers: np.ndarray) -> PackedMasks:
        """Some of the masks: numbers [m] int64."""
        return PackedMasks(self.text, self.begin[numbers], self.end[numbers], self.escaped)

    @property
    def arguments(self) -> tuple[np.ndarray, ...]:
        """As the compiled functions take them."""
        return self.text, self.begin, self.end, np.array([self.escaped], dtype=np.uint8)


@dataclass(frozen=True, slots=True)
class DecodedMasks:
    """Run ends of n masks, as `Kernels.decode_masks` wrote them.

    edges: [>= r] int32. first_edge: [n + 1] int64. areas: [n] int64 pixels.
    """

    edges: np.ndarray
    first_edge: np.ndarray
    areas: np.ndarray


@dataclass(frozen=True, slots=True)
class Kernels:
    """The compiled functions. All raise TypeError for an array of another kind than said here, and
    ValueError for lengths and numbers that do not fit together."""

    compiled: ModuleType

    def decode_masks(
        self,
        masks: PackedMasks,
        pixels: np.ndarray,
        edges: np.ndarray | None,
        first_edge: np.ndarray,
        areas: np.ndarray,
    ) -> bool:
        """Run ends and areas of compressed masks; false when one needs the full check.

        pixels: [n] int64 image sizes below 2^31. edges: [>= characters of the masks] int32, written: the
        pixel at which each run ends, mask i in edges[first_edge[i]:first_edge[i + 1]]; None where they are
        not wanted. first_edge: [n + 1] int64, written. areas: [n] int64, written: pixels, -1 for a mask that
        needs the full check: it is broken or has runs of length 0 after the first.

        Source: COCO API, `common/maskApi.c`, rleFrString (public code fact).
        """
        return self.compiled.decode_masks(*masks.arguments, pixels, edges, first_edge, areas)

    def tight_boxes(self, masks: PackedMasks, heights: np.ndarray, boxes: np.ndarray) -> None:
        """Tight boxes of ordinary masks, written into boxes [n, 4] float64: x, y, width, height in pixels,
        zeros for a mask without a pixel. heights: [n] int64, pixels.

        Source: COCO API, `common/maskApi.c`, rleToBbox (public code fact).
        """
        self.compiled.tight_boxes(*masks.arguments, heights, boxes)

    def lift_masks(
        self, text: np.ndarray, rest: np.ndarray, masks: Sequence[np.ndarray], entries: np.ndarray
    ) -> tuple[int, int, int, int]:
        """Find the masks in the text of a JSON file: (length of the rest, masks, entries, lists of them).

        text: [c] uint8. rest: [c] uint8, written: the text with a reference in the place of each list of
        masks (`data.lifted`); a negative length where the text holds what marks them. masks: four [m] int64,
        written: begin, end, height, width of each. entries: [e] int64, written: the mask of each entry of the
        lists, -1 for null. What finds no room stays in the rest.
        """
        return self.compiled.lift_masks(text, rest, *masks, entries)

    def shared_pixels(
        self, first: DecodedMasks, second: DecodedMasks, i: np.ndarray, j: np.ndarray, shared: np.ndarray
    ) -> None:
        """Pixels that masks i[p] of the first and j[p] of the second have in common, into shared [p] float64.

        i, j: [p] int64, numbers of masks.
        """
        self.compiled.shared_pixels(
            first.edges, first.first_edge, second.edges, second.first_edge, i, j, shared
        )


@functools.cache
def installed_kernels() -> Kernels | None:
    """The kernels that were built with this installation; None where there are none.

    Raises DataError for a file of kernels that is damaged or of another machine.
    """
    found = importlib.util.find_spec(MODULE)
    if found is None or found.origin is None:
        return None
    try:
        # a library that is cut off ends the process that maps it (SIGBUS)
        if not _is_whole(Path(found.origin)):
            raise ImportError("the file is cut off")
        compiled = importlib.import_module(MODULE)
        if not all(hasattr(compiled, name) for name in _FUNCTIONS):
            raise ImportError("the file was built by another version of vis-bench")
        return Kernels(compiled)
    except (ImportError, OSError) as error:
        raise DataError(
            f"{found.origin}: the compiled kernels cannot be loaded ({error}). Delete this file and install "
            f"vis-bench again, or set {FAST_SWITCH}=0: the numbers are the same, scoring is slower."
        ) from None


def _is_whole(library: Path) -> bool:
    """Whether a library holds all that its header says; only known of 64-bit ELF files."""
    with library.open("rb") as file:
        head = file.read(64)
        if not head.startswith(b"\x7fELF\x02"):
            return len(head) == 64
        if len(head) < 64:
            return False
        order = "<" if head[5] == 1 else ">"
        (sections_at,) = struct.unpack_from(f"{order}Q", head, 40)
        entry_bytes, entries = struct.unpack_from(f"{order}HH", head, 58)
        return library.stat().st_size >= sections_at + entry_bytes * entries


def load_kernels(masks: int) -> Kernels | None:
    """The compiled kernels for an input of `masks` masks, or None: not built, not worth it, switched off.

    VIS_BENCH_FAST=0 switches them off, VIS_BENCH_FAST=1 uses them for any input. Results are the same.
    """
    if fast_switch() == "0" or (masks < WORTH_MASKS and fast_switch() != "1"):
        return None
    return installed_kernels()


def kernels_in_use() -> str:
    """One line for `vis-bench --version`: which path large inputs take, and why."""
    if fast_switch() == "0":
        return "plain (VIS_BENCH_FAST=0)"
    if installed_kernels() is None:
        return "plain (no compiler when vis-bench was installed); the numbers are the same, scoring is slower"
    return "compiled"


def decode(
    kernels: Kernels, masks: PackedMasks, pixels: np.ndarray, keep_edges: bool = True
) -> DecodedMasks | None:
    """Run ends of n compressed masks.

    pixels: [n] int64 image sizes. keep_edges: without, only the areas are right, in less time. None when a
    mask is not ordinary (broken, runs of length 0, an image of 2^31 pixels): the plain path handles those.
    """
    if len(pixels) and pixels.max() >= 1 << 31:
        return None
    room = int((masks.end - masks.begin).sum()) if keep_edges else 0
    edges = np.empty(room, dtype=np.int32)
    first_edge = np.zeros(len(masks.begin) + 1, dtype=np.int64)
    areas = np.zeros(len(masks.begin), dtype=np.int64)
    if not kernels.decode_masks(masks, pixels, edges if keep_edges else None, first_edge, areas):
        return None
    return DecodedMasks(edges, first_edge, areas)
