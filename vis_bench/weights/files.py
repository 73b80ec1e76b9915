"""Reading files of weights: safetensors, torch files of tensors, pickles of arrays. None runs code."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from vis_bench.errors import DataError
from vis_bench.files import atomic_path, sha256
from vis_bench.weights.start import without_prefix
from vis_bench.weights.unpickle import read_arrays

# where programs put the state dict of a file that holds more
_KEYS = ("state_dict", "model", "blobs")
DAMAGED = (
    *(OSError, EOFError, ValueError, TypeError, KeyError, IndexError, AttributeError, RuntimeError),
    *(pickle.UnpicklingError, MemoryError, ImportError),
)
"""What readers of pickles and torch files raise for bytes that are not what was written."""


@dataclass(frozen=True, slots=True)
class WeightsFile:
    """A file of weights.

    state: tensors on the CPU by their names in the file, without a prefix `module.` that stood before all
    (had_prefix). metadata: texts of a safetensors file. sha256: of the file's bytes.
    """

    path: Path
    state: Mapping[str, Tensor]
    sha256: str
    metadata: Mapping[str, str] = field(default_factory=dict)
    had_prefix: bool = False


def read_weights(path: Path) -> WeightsFile:
    """Read a state dict from `.safetensors`, from a `.pkl` of arrays, or from a torch file of tensors.

    A torch file or pickle may hold the state dict itself or below `state_dict`, `model` or `blobs`. Raises
    DataError when the file is missing, damaged or holds anything else.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file of weights.")
    metadata: dict[str, str] = {}
    if path.suffix == ".safetensors":
        state, metadata = _safetensors(path)
    elif path.suffix == ".pkl":
        state = _arrays(path)
    else:
        state = _tensors(path)
    if not state:
        raise DataError(f"{path}: holds no tensors.")
    state, had_prefix = without_prefix(state)
    return WeightsFile(path, state, sha256(path.read_bytes()), metadata, had_prefix)


def write_weights(path: Path, state: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None) -> None:
    """Write tensors as safetensors, whole or not at all."""
    plain = {name: value.detach().cpu().clone().contiguous() for name, value in state.items()}
    with atomic_path(path, sum(value.nbytes for value in plain.values())) as temporary:
        save_file(plain, temporary, metadata=dict(metadata) if metadata else None)


def _safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    try:
        with safe_open(path, "pt") as file:
            metadata = dict(file.metadata() or {})
        return load_file(path), metadata
    except (SafetensorError, OSError) as error:
        raise DataError(f"{path}: not a safetensors file ({_first_line(error)}).") from None


def _tensors(path: Path) -> dict[str, Tensor]:
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except DAMAGED as error:
        raise DataError(
            f"{path}: cannot be loaded as tensors only (weights_only): {_first_line(error)}. A file that "
            "holds other objects is not read; save its state dict alone."
        ) from None
    return _state_of(content, path, Tensor)


def _arrays(path: Path) -> dict[str, Tensor]:
    try:
        with path.open("rb") as stream:
            content = read_arrays(stream)
    except DAMAGED as error:
        raise DataError(
            f"{path}: not a pickle of plain NumPy arrays ({_first_line(error)}). Nothing else is unpickled, "
            "since a pickle can run code; save the state dict as safetensors."
        ) from None
    state = _state_of(content, path, np.ndarray)
    odd = next((name for name, value in state.items() if value.dtype.kind not in "fiub"), None)
    if odd is not None:
        raise DataError(f"{path}: {odd!r} is no array of numbers.")
    # Detectron stores the optimiser's momentum beside the weights
    kept = {name: value for name, value in state.items() if not name.endswith("_momentum")}
    return {name: torch.from_numpy(np.array(value)) for name, value in kept.items()}


def _state_of(content: Any, path: Path, kind: type) -> dict[str, Any]:
    """The dictionary of values of one type that a file holds; texts beside them (an author) are left out."""
    for key in _KEYS:
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    if not isinstance(content, dict):
        raise DataError(f"{path}: holds no state dict of tensors.")
    state = {
        name: value for name, value in content.items() if isinstance(name, str) and isinstance(value, kind)
    }
    odd = [
        name
        for name, value in content.items()
        if not isinstance(value, kind) and not isinstance(value, str | bool | int | float | type(None))
    ]
    if odd or not state:
        raise DataError(f"{path}: holds no state dict of tensors.")
    return state


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
