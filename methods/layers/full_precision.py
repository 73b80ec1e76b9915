"""Losses and matching costs in 32 bit where the network runs in mixed precision.

Sums over thousands of points leave the range of fp16, and differences of costs the digits of bf16.
Source: detectron2 and Mask2Former's public code, which switch autocast off in criterion and matcher.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any, ParamSpec, TypeVar

import torch
from torch import Tensor, nn

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")
_DEVICES = ("cpu", "cuda")
_SHORT = (torch.float16, torch.bfloat16)


def full_precision(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Call `function` without autocast, with every float16 and bfloat16 tensor in its arguments as float32.

    Tensors are found in lists, tuples, mappings and frozen dataclasses; without autocast nothing happens.
    """

    @functools.wraps(function)
    def called(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        active = [device for device in _DEVICES if torch.is_autocast_enabled(device)]
        if not active:
            return function(*args, **kwargs)
        with ExitStack() as stack:
            for device in active:
                stack.enter_context(torch.autocast(device, enabled=False))
            return function(*_lengthened(args), **_lengthened(kwargs))

    return called


def _lengthened(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.float() if value.dtype in _SHORT else value
    if isinstance(value, nn.Module) or value is None:
        return value
    if isinstance(value, Mapping):
        return {key: _lengthened(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_lengthened(entry) for entry in value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value) if field.init}
        changed = {name: _lengthened(entry) for name, entry in fields.items()}
        same = all(changed[name] is entry for name, entry in fields.items())
        return value if same else dataclasses.replace(value, **changed)
    return value
