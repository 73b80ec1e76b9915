"""Checkpoints of our own trainings: safetensors, written whole or not at all, tensors by the model's names.

Files of others are read by `vis_bench.weights.files`.
"""

from __future__ import annotations

from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from vis_bench.errors import DataError
from vis_bench.weights.files import write_weights


def save_weights(path: Path, weights: dict[str, Tensor]) -> None:
    """Write a state dict as safetensors, atomically."""
    write_weights(path, weights)


def load_weights(path: Path) -> dict[str, Tensor]:
    """Read what `save_weights` wrote. Raises DataError when the file is missing or damaged."""
    if not path.is_file():
        raise DataError(f"{path}: no such checkpoint.")
    try:
        return load_file(path)
    except SafetensorError as error:
        raise DataError(f"{path}: not a safetensors file ({error}).") from None
