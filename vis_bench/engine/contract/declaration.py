"""What a method says about itself, and whether it can be built."""

from __future__ import annotations

import dataclasses
import subprocess
import sys

from torch import nn

from vis_bench.engine.contract.result import Check, Outcome, broken, not_applicable, passed
from vis_bench.engine.contract.subject import Subject
from vis_bench.method import TrainConfig
from vis_bench.setup.config import override, to_dict

_WITHOUT_TORCH = (
    "import sys; sys.modules.update(torch=None, torchvision=None); "
    "from vis_bench.setup.plugins import load_object, load_spec; spec = load_spec(sys.argv[1]); "
    "[load_object(rule) for rule in (spec.associate, spec.summarise) if rule]"
)
_IMPORT_SECONDS = 120


def specification(subject: Subject) -> Outcome:
    """Names are there, the configuration is a frozen dataclass, every choice and variant fits it."""
    info, config = subject.spec.info, subject.config
    empty = [name for name in ("name", "title", "paper", "licence") if not getattr(info, name)]
    if empty:
        return broken(f"info has an empty {empty[0]}")
    frozen = getattr(getattr(type(config), "__dataclass_params__", None), "frozen", False)
    if not frozen or not dataclasses.is_dataclass(config):
        return broken(f"configuration {subject.config_name!r} is no frozen dataclass")
    if not all(isinstance(phase, TrainConfig) for phase in (getattr(config, "train", None), *subject.phases)):
        return broken(f"configuration {subject.config_name!r} has no `train` of type TrainConfig")
    to_dict(config)
    for choice in subject.spec.choices:
        value = config
        for part in choice.key.split("."):
            if not hasattr(value, part):
                return broken(f"choice {choice.key!r} is no key of configuration {subject.config_name!r}")
            value = getattr(value, part)
    for values in subject.spec.variants.values():
        override(config, values)
    return passed(f"{len(subject.spec.choices)} choices and {len(subject.spec.variants)} variants fit")


def light_import(subject: Subject) -> Outcome:
    """An installed specification and its association rule need no torch, so that listing stays instant."""
    if ".py:" in subject.name or subject.spec.foreign is not None:
        return not_applicable("a method in a file of its own, or of others, may import torch")
    try:
        done = subprocess.run(
            [sys.executable, "-c", _WITHOUT_TORCH, subject.name],
            capture_output=True,
            text=True,
            timeout=_IMPORT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return broken(f"importing it takes more than {_IMPORT_SECONDS} s")
    if done.returncode:
        return broken((done.stderr.strip().splitlines() or ["importing it without torch fails"])[-1])
    return passed("the specification needs no torch")


def build(subject: Subject) -> Outcome:
    """`build(config, num_classes)` returns a torch module with the functions of a method."""
    model = subject.build()
    if not isinstance(model, nn.Module):
        return broken(f"build returned {type(model).__name__}, not a torch module")
    needed = ["track"]
    needed += ["losses"] * (subject.spec.foreign is None) + ["summarise"] * subject.spec.info.online
    missing = [name for name in needed if not callable(getattr(model, name, None))]
    if missing:
        return broken(f"the module has no function {missing[0]!r}")
    if len(subject.phases) > 1 and not callable(getattr(model, "enter_phase", None)):
        return broken("the configuration has later_training, but the module has no function 'enter_phase'")
    if hasattr(subject.config, "backbone") and not isinstance(getattr(model, "backbone", None), nn.Module):
        return broken("the configuration has a backbone, but the module has none in its attribute 'backbone'")
    return passed(f"{sum(p.numel() for p in model.parameters()):,} parameters")


DECLARATION = (
    Check(
        "specification",
        "Give MethodInfo every text, make each configuration a frozen dataclass with `train`, and correct "
        "the keys of choices and variants.",
        specification,
    ),
    Check(
        "light import",
        "Keep torch out of the package's __init__ and config, and give `build` as text, 'module:Class'.",
        light_import,
    ),
    Check(
        "build",
        "`build(config, num_classes)` has to return a torch.nn.Module as described in vis_bench/method.py.",
        build,
    ),
)
