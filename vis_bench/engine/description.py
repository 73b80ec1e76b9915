"""What a method is: configurations, parameters, multiply-adds and choices, as plain values."""

from __future__ import annotations

import dataclasses
from typing import Any

from vis_bench.method import MethodSpec
from vis_bench.setup.config import override, to_dict
from vis_bench.setup.plugins import build_method

# of a terminal; a name longer than its column moves the rest of its line
_LINE_COLUMNS = 80
NAME_COLUMNS = 32


def described_configs(spec: MethodSpec) -> list[tuple[str, str]]:
    """Every configuration with its training, then every variant with the values that it changes.

    What a variant sets to the value of the first configuration (the paper's) is left out where it sets more.
    """
    rows = []
    first, base = next(iter(spec.configs.items()))
    for name, config in spec.configs.items():
        phases = (config.train, *getattr(config, "later_training", ()))
        iterations = " + ".join(f"{phase.iterations:,}" for phase in phases)
        rows.append((name, f"{iterations} iterations of {config.train.batch_size} clips"))
    for name, values in spec.variants.items():
        variant = override(base, values)
        changed = {key: value for key, value in values.items() if _value(variant, key) != _value(base, key)}
        parts = [f"{key}={_plain(value)}" for key, value in (changed or values).items()]
        rows.append((name, _shortened(parts if changed else [*parts, f"as in {first}"])))
    return rows


def _plain(value: Any) -> str:
    """A value as --set takes it."""
    if isinstance(value, list | tuple):
        return ",".join(map(_plain, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def _shortened(parts: list[str]) -> str:
    """As many parts as fit beside a name, and how many are left out (`methods show` has them all)."""
    text = ""
    for count in range(len(parts), 0, -1):
        rest = [f"{len(parts) - count} more"] if count < len(parts) else []
        text = ", ".join([*parts[:count], *rest])
        if len(text) <= _LINE_COLUMNS - NAME_COLUMNS - 1:
            break
    return text


def describe(spec: MethodSpec, config_name: str, config: Any, num_classes: int) -> dict[str, Any]:
    """Name, paradigm, parameters and multiply-adds by module, choices with present values and sources."""
    info = spec.info
    model = _build_to_count(spec, config, num_classes)
    return {
        "name": info.name,
        "title": info.title,
        "config": config_name,
        "paradigm": info.paradigm,
        "online": info.online,
        "paper": info.paper,
        "licence": info.licence,
        "parameters": _parameters(model),
        **_macs(spec, config, model),
        "choices": [
            {
                "id": choice.id,
                "name": choice.key,
                "value": _value(config, choice.key),
                "source": choice.source,
                "note": choice.note,
            }
            for choice in spec.choices
        ],
        "config_values": to_dict(config),
    }


def _build_to_count(spec: MethodSpec, config: Any, num_classes: int) -> Any:
    """The model with random weights, made for inference only, keeping as many objects as it can."""
    try:
        import torch
    except ModuleNotFoundError:
        # says what to install
        return build_method(spec, config, num_classes)
    from vis_bench.engine.complexity import counted_config

    # the same weights every time: what survives a suppression of overlaps depends on them
    with torch.inference_mode(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return build_method(spec, counted_config(config, spec.mac_count), num_classes)


def _macs(spec: MethodSpec, config: Any, model: Any) -> dict[str, Any]:
    """`macs_per_frame`, null with a reason where tracking a random video fails, and what it is made of."""
    from vis_bench.engine.complexity import HEIGHT, WIDTH, counted_config, measure

    frame = f"{WIDTH}x{HEIGHT}"
    try:
        found = measure(model, counted_config(config, spec.mac_count), spec.info.online, spec.mac_count)
    except Exception as error:  # noqa: BLE001 - a stranger's method may raise anything; it is shown as the reason
        reason = f"{type(error).__name__}: {error}"
        return {"macs_per_frame": None, "macs": {"frame": frame, "reason": reason}}
    details = {"frame": frame, "by_module": found.by_module, "uncounted": list(found.uncounted)}
    return {"macs_per_frame": found.macs_per_frame, "macs": details}


def _parameters(model: Any) -> dict[str, Any]:
    """Counts with the affine weights of frozen BatchNorm (buffers there), as papers count them."""
    frozen_norm = {
        name: buffer.numel() for name, buffer in model.named_buffers() if name.endswith((".weight", ".bias"))
    }
    counts = {name: parameter.numel() for name, parameter in model.named_parameters()} | frozen_norm
    by_module: dict[str, int] = {}
    for name, count in counts.items():
        by_module[name.partition(".")[0]] = by_module.get(name.partition(".")[0], 0) + count
    trainable = sum(p.numel() for p in model.parameters() if p.requires_grad)
    return {"total": sum(counts.values()), "trainable": trainable, "by_module": by_module}


def _value(config: Any, key: str) -> Any:
    for part in key.split("."):
        config = getattr(config, part)
    return to_dict(config) if dataclasses.is_dataclass(config) else config
