"""`vis-bench methods ls|show`."""

from __future__ import annotations

import dataclasses
from typing import Any

import typer

from vis_bench.config import choose_config, override, parse_assignment, to_dict
from vis_bench.data import catalog
from vis_bench.errors import UsageError
from vis_bench.files import dump_json
from vis_bench.method import MethodSpec
from vis_bench.plugins import build_method, check_shadowing, load_spec, method_names, split_variant


def list_command(every_config: bool) -> None:
    """One line per method, or per configuration."""
    check_shadowing()
    for name in method_names():
        spec = load_spec(name)
        info = spec.info
        mode = "online" if info.online else "offline"
        if not every_config:
            typer.echo(f"{name:<18} {info.paradigm:<22} {mode:<8} {info.title}")
            continue
        for config in (*spec.configs, *spec.variants):
            typer.echo(f"{name + '@' + config:<36} {info.paradigm:<22} {mode}")


def show_command(
    name: str, config: str | None, dataset: str, assignments: tuple[str, ...], as_json: bool
) -> None:
    """Print what a method is, or the same as JSON (the machine contract)."""
    check_shadowing()
    method, variant = split_variant(name)
    if variant is not None and config is not None and variant != config:
        raise UsageError(f"{name!r} and --config {config!r} name two configurations.")
    spec = load_spec(method)
    chosen, value = choose_config(spec, config or variant, "paper")
    value = override(value, dict(parse_assignment(text) for text in assignments))
    classes = len(catalog.class_names(dataset))
    facts = describe(spec, chosen, value, classes)
    typer.echo(dump_json(facts, indent=1) if as_json else _text(facts, dataset, classes))


def describe(spec: MethodSpec, config_name: str, config: Any, num_classes: int) -> dict[str, Any]:
    """Name, paradigm, parameters by module and choices with their present values and sources."""
    info = spec.info
    return {
        "name": info.name,
        "title": info.title,
        "config": config_name,
        "paradigm": info.paradigm,
        "online": info.online,
        "paper": info.paper,
        "licence": info.licence,
        "parameters": _parameters(build_method(spec, config, num_classes)),
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


def _text(facts: dict[str, Any], dataset: str, classes: int) -> str:
    parameters = facts["parameters"]
    lines = [
        f"{facts['title']} ({facts['name']}@{facts['config']})",
        f"  paper       {facts['paper']}",
        f"  paradigm    {facts['paradigm']}, {'online' if facts['online'] else 'offline'}",
        f"  licence     {facts['licence']}",
        f"  parameters  {parameters['total']:,} ({parameters['trainable']:,} trainable), "
        f"{classes} classes of {dataset}",
    ]
    lines += [f"    {name:<20} {count:>13,}" for name, count in parameters["by_module"].items()]
    lines.append("  choices (where the paper is silent or easily misread)")
    for choice in facts["choices"]:
        lines.append(f"    {choice['id']:<4} {choice['name']} = {choice['value']}  [{choice['source']}]")
        lines.append(f"         {choice['note']}")
    return "\n".join(lines)
