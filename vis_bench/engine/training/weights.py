"""Checkpoints of our own trainings: safetensors, written whole or not at all, tensors by the model's names.

Files of others are read by `vis_bench.weights.files`.
"""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from vis_bench.errors import DataError, MethodError
from vis_bench.weights.files import write_weights


def save_weights(path: Path, weights: dict[str, Tensor]) -> None:
    """Write a state dict as safetensors, atomically. Raises MethodError for weights that are not finite."""
    for name, value in weights.items():
        if not torch.isfinite(value).all():
            raise MethodError(
                f"{name} holds NaN or infinite values after the training: its last steps diverged. Lower "
                "train.lr, or set train.grad_clip_norm."
            )
    write_weights(path, weights)


def load_weights(path: Path) -> dict[str, Tensor]:
    """Read what `save_weights` wrote. Raises DataError when the file is missing or damaged."""
    if not path.is_file():
        raise DataError(f"{path}: no such checkpoint.")
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise DataError(
            f"{path}: not a whole safetensors file ({error}). Delete it and run again: it is made anew."
        ) from None


def put_into(model: nn.Module, path: Path) -> None:
    """Load a run's own checkpoint, every tensor of it. Raises DataError for a damaged or foreign one."""
    weights = load_weights(path)
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:300]
        raise DataError(
            f"{path}: holds other tensors than this model ({reason}). Delete it and run again: it is made "
            "anew."
        ) from None
