"""Compiled run-length arithmetic: the same numbers as the plain path, several times faster.

The C source beside this file is built by the machine's own compiler when it is first wanted, which takes less
than a second, and kept in the cache folder. Where there is no compiler the plain path is used.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sysconfig
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vis_bench.files import sha256

SOURCE = Path(__file__).with_name("rle_kernels.c")
_FLAGS = ("-O3", "-std=c99", "-shared", "-fPIC")
_ORDINARY = 0


@dataclass(frozen=True, slots=True)
class Kernels:
    """The two compiled functions."""

    compiled: ctypes.CDLL

    def decode_masks(
        self,
        text: np.ndarray,
        begin: np.ndarray,
        pixels: np.ndarray,
        edges: np.ndarray | None,
        first_edge: np.ndarray,
        areas: np.ndarray,
    ) -> bool:
        """Run ends and areas of compressed masks; false when one needs the full check.

        text: [c] uint8, all masks behind one another. begin: [n + 1] int64, mask i has text[begin[i]:
        begin[i + 1]]. pixels: [n] int64 image sizes below 2^31. edges: [>= c] int32, written: the pixel at
        which each run ends, mask i in edges[first_edge[i]:first_edge[i + 1]]; None where they are not wanted.
        first_edge: [n + 1] int64, written. areas: [n] int64, written: pixels. A mask needs the full check
        when it is broken or has runs of length 0 after the first.

        Source: COCO API, `common/maskApi.c`, rleFrString (public code fact).
        """
        found = self.compiled.decode_masks(
            _pointer(text, np.uint8),
            _pointer(begin, np.int64),
            ctypes.c_int64(len(begin) - 1),
            _pointer(pixels, np.int64),
            None if edges is None else _pointer(edges, np.int32),
            _pointer(first_edge, np.int64),
            _pointer(areas, np.int64),
        )
        return found == _ORDINARY

    def shared_pixels(
        self,
        edges: np.ndarray,
        first_edge: np.ndarray,
        first: np.ndarray,
        second: np.ndarray,
        shared: np.ndarray,
    ) -> None:
        """Pixels that masks first[p] and second[p] have in common, into shared [p] float64.

        edges, first_edge: as `decode_masks` wrote them. first, second: [p] int64, numbers of masks.
        """
        self.compiled.shared_pixels(
            _pointer(edges, np.int32),
            _pointer(first_edge, np.int64),
            _pointer(first, np.int64),
            _pointer(second, np.int64),
            ctypes.c_int64(len(first)),
            _pointer(shared, np.float64),
        )


def load(folder: Path) -> Kernels | None:
    """The kernels, built into `folder` unless they are there; None without a compiler or a place to write."""
    source = SOURCE.read_bytes()
    name = sha256(source + " ".join((*_FLAGS, sysconfig.get_platform())).encode())[:16]
    path = folder / f"rle-kernels-{name}.so"
    if not path.exists() and not _build(path):
        return None
    try:
        library = ctypes.CDLL(str(path))
    except OSError:  # built for another machine that shares this folder, or on a disk that runs nothing
        return None
    library.decode_masks.restype = ctypes.c_int32
    library.shared_pixels.restype = None
    return Kernels(library)


def _build(path: Path) -> bool:
    compiler = shutil.which(os.environ.get("CC", "cc"))
    if compiler is None:
        return False
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            made = Path(folder) / path.name
            done = subprocess.run([compiler, *_FLAGS, "-o", str(made), str(SOURCE)], capture_output=True)
            if done.returncode == 0:
                made.replace(path)  # whole or not at all, also when two processes build
            return done.returncode == 0
    except OSError:
        return False


def _pointer(array: np.ndarray, kind: type[np.generic]) -> ctypes.c_void_p:
    """Address of a contiguous array. Raises TypeError for an array that the C code would misread."""
    if array.dtype != kind or not array.flags.c_contiguous:
        raise TypeError(f"a contiguous array of {kind.__name__} is needed, found {array.dtype}")
    return ctypes.c_void_p(array.ctypes.data)
