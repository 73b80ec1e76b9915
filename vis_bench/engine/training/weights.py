"""Files of weights: safetensors, written whole or not at all, and torch files read as tensors only."""

from __future__ import annotations

import pickle
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from vis_bench.errors import DataError
from vis_bench.files import atomic_path


def save_weights(path: Path, weights: dict[str, Tensor]) -> None:
    """Write a state dict as safetensors, atomically."""
    plain = {name: value.detach().cpu().clone().contiguous() for name, value in weights.items()}
    with atomic_path(path) as temporary:
        save_file(plain, temporary)


def load_weights(path: Path) -> dict[str, Tensor]:
    """Read a state dict from safetensors, or from a torch file without unpickling objects.

    A torch file may hold the state dict itself or under `state_dict` or `model`. Raises DataError when the
    file is missing, damaged or holds anything else.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such checkpoint.")
    if path.suffix == ".safetensors":
        try:
            return load_file(path)
        except SafetensorError as error:
            raise DataError(f"{path}: not a safetensors file ({error}).") from None
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, ValueError, pickle.UnpicklingError) as error:
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise DataError(f"{path}: cannot be loaded as tensors only (weights_only): {first}") from None
    for key in ("state_dict", "model"):
        if isinstance(state, dict) and isinstance(state.get(key), dict):
            state = state[key]
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise DataError(f"{path}: holds no state dict of tensors.")
    return state
