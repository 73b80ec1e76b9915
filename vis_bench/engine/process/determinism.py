"""Deterministic operations on GPUs, as far as there are some."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def deterministic(wanted: bool) -> Iterator[None]:
    """Use deterministic operations while inside, where torch has them; those without are used all the same.

    Source: torch, `torch.use_deterministic_algorithms` (warn_only).
    """
    if not wanted:
        yield
        return
    import torch

    before = (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
    )
    try:
        torch.use_deterministic_algorithms(True, warn_only=True)
        yield
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])
