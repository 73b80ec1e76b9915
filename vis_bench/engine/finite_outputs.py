"""Whether the parts of a model put out numbers while it tracks: NaN passes for "nothing found" otherwise."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from vis_bench.errors import MethodError
from vis_bench.method import FrameResult


@contextmanager
def requiring_numbers(method: Any, video: str) -> Iterator[None]:
    """Raise MethodError at the end of the block where a part of `method` has put out NaN in it.

    The parts are the method's direct submodules. What is seen stays on the device until the end, so that a
    GPU is not waited for. video: name, for the message. Infinities pass: masked scores are minus infinity.
    """
    seen: dict[str, Tensor] = {}
    hooks = []

    def watch(name: str, part: nn.Module) -> None:
        def hook(module: nn.Module, inputs: Any, output: Any) -> None:
            for tensor in _tensors(output):
                bad = torch.isnan(tensor).any()
                seen[name] = bad if name not in seen else seen[name] | bad

        hooks.append(part.register_forward_hook(hook))

    for name, part in method.named_children() if isinstance(method, nn.Module) else ():
        watch(name, part)
    try:
        yield
    finally:
        for one in hooks:
            one.remove()
    # parts in the order in which they were first used: the first one is the cause
    bad = next((name for name, flag in seen.items() if bool(flag)), None)
    if bad is not None:
        raise MethodError(
            f"video {video}: {bad} puts out NaN, so that whatever is found there means nothing. Did the "
            "training diverge, or does --precision overflow? Try --precision fp32 or a lower train.lr."
        )


def require_finite_scores(result: FrameResult, video: str) -> None:
    """Refuse a frame whose scores or candidates hold NaN or infinities. Raises MethodError."""
    found = [("class_scores", detection.class_scores) for detection in result.detections]
    if result.candidates is not None:
        found += [(name, getattr(result.candidates, name)) for name in ("scores", "boxes", "embeddings")]
    for name, values in found:
        if not np.isfinite(values).all():
            raise MethodError(
                f"video {video}, frame {result.index}: {name} are not all finite. Did the training diverge?"
            )


def _tensors(output: Any) -> Iterator[Tensor]:
    """The floating tensors in what a module returns, however deep in tuples, lists and mappings."""
    if isinstance(output, Tensor):
        if output.is_floating_point():
            yield output
    elif isinstance(output, Mapping):
        for value in output.values():
            yield from _tensors(value)
    elif isinstance(output, list | tuple):
        for value in output:
            yield from _tensors(value)
