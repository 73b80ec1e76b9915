"""Pickles of NumPy arrays, as detectron2 and Mask2Former publish them, read without running code."""

from __future__ import annotations

import codecs
import pickle
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, BinaryIO

import numpy as np

_MULTIARRAY = ("numpy.core.multiarray", "numpy._core.multiarray")
_NUMERIC = ("numpy.core.numeric", "numpy._core.numeric")


def _latin1(text: str, encoding: str = "latin1") -> bytes:
    """What pickles of protocol 2 call for bytes; other codecs are not needed for arrays."""
    if encoding not in ("latin1", "latin-1"):
        raise pickle.UnpicklingError(f"_codecs.encode with {encoding!r}")
    return codecs.encode(text, "latin1")


def _allowed() -> dict[tuple[str, str], Callable[..., Any] | type]:
    core = np._core  # type: ignore[attr-defined]
    return {
        ("collections", "OrderedDict"): OrderedDict,
        ("numpy", "ndarray"): np.ndarray,
        ("numpy", "dtype"): np.dtype,
        ("_codecs", "encode"): _latin1,
        **{(module, "_reconstruct"): core.multiarray._reconstruct for module in _MULTIARRAY},
        **{(module, "scalar"): core.multiarray.scalar for module in _MULTIARRAY},
        **{(module, "_frombuffer"): core.numeric._frombuffer for module in _NUMERIC},
    }


class _ArraysOnly(pickle.Unpickler):
    """Knows arrays, types of arrays, scalars and OrderedDict; any other name ends the reading."""

    def find_class(self, module: str, name: str) -> Any:
        found = _allowed().get((module, name))
        if found is None:
            raise pickle.UnpicklingError(f"it names {module}.{name}, which is no array")
        return found

    def persistent_load(self, pid: Any) -> Any:
        raise pickle.UnpicklingError("it refers to objects outside the file")


def read_arrays(stream: BinaryIO) -> Any:
    """What a pickle of plain values and numeric NumPy arrays holds (strings of Python 2 as Latin-1).

    Raises pickle.UnpicklingError for anything else, before it is made; other errors of `pickle` for a damaged
    file.
    """
    return _ArraysOnly(stream, encoding="latin1").load()
