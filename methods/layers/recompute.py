"""Activation checkpointing: what a block computed is forgotten, and computed again in the backward pass.

Only the inputs of a block are kept. Gradients are those of the plain block up to rounding, and buffers are
the same: the second pass writes running statistics into copies, so that a trained batch norm moves once.
Source: Chen et al., Training Deep Nets with Sublinear Memory Cost, section 3.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

Result = TypeVar("Result")


def recomputed(owner: nn.Module, function: Callable[..., Result], *inputs: object) -> Result:
    """`function(*inputs)` without keeping its activations; plainly where nothing in it gets a gradient.

    owner: the module whose buffers `function` may write. The second pass sees the random numbers and the
    autocast of the first. `function` has to compute the same twice.
    """
    if not torch.is_grad_enabled() or not _learns(owner, inputs):
        return function(*inputs)

    def contexts() -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
        return nullcontext(), _buffers_aside(owner)

    result: Result = checkpoint(function, *inputs, use_reentrant=False, context_fn=contexts)
    return result


def _learns(owner: nn.Module, inputs: Sequence[object]) -> bool:
    """Whether a gradient will come here; a frozen block keeps nothing, and would have its inputs kept."""
    given = (value for value in inputs if isinstance(value, Tensor))
    return any(value.requires_grad for value in (*given, *owner.parameters()))


def recomputed_in_turn(blocks: nn.Module, x: Tensor) -> Tensor:
    """What a Sequential computes, each of its blocks `recomputed`."""
    for block in blocks.children():
        x = recomputed(block, block, x)
    return x


@contextmanager
def _buffers_aside(owner: nn.Module) -> Iterator[None]:
    """Give all modules in `owner` copies of their buffers, and afterwards the originals back, untouched.

    Copies rather than a switch of batch norm: it must save for its backward pass what it saved at first.
    """
    originals = [
        (module, name, value) for module in owner.modules() for name, value in module._buffers.items()
    ]
    try:
        for module, name, value in originals:
            module._buffers[name] = None if value is None else value.clone()
        yield
    finally:
        for module, name, value in originals:
            module._buffers[name] = value
