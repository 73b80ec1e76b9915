"""The stages of a method: hooks on its modules, and timers around functions with a known name or place.

A method need not help: what carries none of these names is `unaccounted`, and the record says how much.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from types import FunctionType, ModuleType
from typing import Any

import torch
from torch import nn

from vis_bench.engine.speed.clock import StageClock
from vis_bench.masks import rle

STAGES = (
    "decode", "preprocess", "host to device", "backbone", "heads", "associate", "postprocess",
    "device to host", "RLE", "harness",
)  # fmt: skip
PREPROCESS = ("resize_frame", "normalise_and_pad", "prepare_frame")
TO_ORIGINAL = ("masks_to_original", "logits_to_original", "paste_masks")
FUNCTIONS: Mapping[str, tuple[str, ...]] = {
    "preprocess": PREPROCESS,
    "heads": (
        "dynamic_mask_logits", "mask_logits", "step", "start", "frame_features", "features_in_passes",
        "join_features", "pyramid", "decode", "pyramid_roi_align",
    ),
    "associate": (
        "associate", "track_detections", "associate_queries", "track_clips", "add_clip", "summarise",
        "summarise_tracks",
    ),
    "postprocess": (
        *TO_ORIGINAL, "detect", "detections", "detect_frame", "track_frame", "select_candidates",
        "select_detections", "top_pairs", "pair_instances", "instances", "merged_instances",
    ),
}  # fmt: skip
"""Names of functions and of the model's own methods by stage. What a function calls that has a stage of its
own is charged there, so that `detect_frame` keeps selection and suppression."""
OUTSIDE_MODEL: Mapping[str, tuple[str, ...]] = {"preprocess": PREPROCESS, "postprocess": TO_ORIGINAL}
"""What `model only` leaves out besides copies between host and device and RLE: the making of the input from
the uint8 frame, and bringing masks to the original size."""
_COPIES = ("cpu", "tolist", "item")
_HOOK_DEPTH = 2


@contextmanager
def all_stages(model: Any, clock: StageClock) -> Iterator[None]:
    """Charge every stage while inside."""
    with ExitStack() as stack:
        stack.enter_context(_functions(model, clock, FUNCTIONS))
        stack.enter_context(_modules(model, clock))
        yield


@contextmanager
def outside_model(model: Any, clock: StageClock) -> Iterator[None]:
    """Charge what does not belong to the model, so that `METHOD` keeps what does."""
    with _functions(model, clock, OUTSIDE_MODEL):
        yield


@contextmanager
def _modules(model: Any, clock: StageClock) -> Iterator[None]:
    """Forward hooks: `backbone` and everything else near the top, `heads`."""
    handles = []
    for name, module in model.named_modules() if isinstance(model, nn.Module) else ():
        if not name or (name.startswith("backbone.") or name.count(".") >= _HOOK_DEPTH):
            continue
        stage = "backbone" if name == "backbone" else "heads"
        handles.append(module.register_forward_pre_hook(_enter(clock, stage)))
        handles.append(module.register_forward_hook(lambda *_: clock.leave(), always_call=True))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _enter(clock: StageClock, stage: str) -> Callable[..., None]:
    return lambda *_: clock.enter(stage)


@contextmanager
def _functions(model: Any, clock: StageClock, names: Mapping[str, tuple[str, ...]]) -> Iterator[None]:
    stage_of = {name: stage for stage, group in names.items() for name in group}
    package = type(model).__module__.partition(".")[0]
    modules = _modules_of(package)
    changed: list[tuple[Any, str, Any]] = []

    def put(owner: Any, name: str, stage: str) -> None:
        original = vars(owner).get(name)
        changed.append((owner, name, original))
        setattr(owner, name, clock.timed(getattr(owner, name), stage))

    encoders = {value for value in vars(rle).values() if isinstance(value, FunctionType)}
    try:
        for module in modules:
            for name, value in list(vars(module).items()):
                if not isinstance(value, FunctionType):
                    continue
                if value in encoders:
                    put(module, name, "RLE")
                elif value.__name__ in stage_of and value.__module__.partition(".")[0] == package:
                    put(module, name, stage_of[value.__name__])
        for name, value in list(vars(rle).items()):
            if isinstance(value, FunctionType):
                put(rle, name, "RLE")
        for cls in type(model).__mro__:
            if cls.__module__.partition(".")[0] == package:
                for name, value in list(vars(cls).items()):
                    if isinstance(value, FunctionType) and name in stage_of and name != "summarise":
                        _put_method(cls, name, value, stage_of[name], clock, changed)
        for name in _COPIES:
            value = getattr(torch.Tensor, name)
            _put_method(torch.Tensor, name, value, "device to host", clock, changed)
        yield
    finally:
        for owner, name, original in reversed(changed):
            if original is None:
                delattr(owner, name)
            else:
                setattr(owner, name, original)


def _put_method(
    cls: Any, name: str, function: Callable[..., Any], stage: str, clock: StageClock, changed: list[Any]
) -> None:
    changed.append((cls, name, vars(cls).get(name)))
    setattr(cls, name, clock.timed(function, stage))


def _modules_of(package: str) -> list[ModuleType]:
    return [
        module
        for name, module in list(sys.modules.items())
        if isinstance(module, ModuleType) and name.partition(".")[0] == package and module is not rle
    ]
