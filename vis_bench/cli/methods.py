"""vis-bench methods ls, show, check."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Any

import typer

from vis_bench.cli.options import (
    Associate,
    Changes,
    MethodName,
    PrintJson,
    Project,
    Prompt,
    optional_path,
    tell,
)

_MARKS = {"ok": "ok", "failed": "FAILED", "not applicable": "-"}

methods_app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="List and describe methods.")


@methods_app.command("ls")
def methods_ls(
    all_: Annotated[bool, typer.Option("--all", help="List every configuration.")] = False,
    json_: PrintJson = False,
) -> None:
    """List the installed methods."""
    from vis_bench.engine.description import NAME_COLUMNS, described_configs
    from vis_bench.files import dump_json
    from vis_bench.setup.plugins import check_shadowing, load_spec, method_names

    check_shadowing()
    if json_:
        rows = [
            {
                **dataclasses.asdict(spec.info),
                "name": name,
                "configs": [config for config, _ in described_configs(spec)],
            }
            for name, spec in ((name, load_spec(name)) for name in method_names())
        ]
        typer.echo(dump_json(rows, indent=1))
        return
    for name in method_names():
        spec = load_spec(name)
        info = spec.info
        if all_:
            for config, about in described_configs(spec):
                typer.echo(f"{name + '@' + config:<{NAME_COLUMNS}} {about}")
            continue
        mode = "online" if info.online else "offline"
        typer.echo(f"{name:<16} {info.paradigm:<21} {mode:<7} {info.title}")


@methods_app.command("show")
def methods_show(
    name: MethodName,
    config: Annotated[str | None, typer.Option(help="Configuration.  [default: paper]")] = None,
    dataset: Annotated[
        str, typer.Option(help="Dataset whose class list to use; needs nothing on disk.")
    ] = "ytvis21",
    set_: Changes = None,
    json_: PrintJson = False,
) -> None:
    """Paper, parameters and every choice of a method, with its source."""
    from vis_bench.data import catalog
    from vis_bench.engine.description import describe
    from vis_bench.errors import UsageError
    from vis_bench.files import dump_json
    from vis_bench.setup.config import choose_config, override, parse_assignment
    from vis_bench.setup.plugins import check_shadowing, load_spec, split_variant

    check_shadowing()
    method, variant = split_variant(name)
    if variant is not None and config is not None and variant != config:
        raise UsageError(f"{name!r} and --config {config!r} name two configurations.")
    spec = load_spec(method)
    chosen, value = choose_config(spec, config or variant, "paper")
    value = override(value, dict(parse_assignment(text) for text in set_ or ()))
    classes = len(catalog.class_names(dataset))
    facts = describe(spec, chosen, value, classes)
    typer.echo(dump_json(facts, indent=1) if json_ else _text(facts, dataset, classes))


@methods_app.command("new")
def methods_new(
    name: Annotated[str, typer.Argument(help="Name of the method, such as my_method.")],
    out: Annotated[str, typer.Option(help="Folder to write into.")] = ".",
) -> None:
    """Write a whole small method in one file, and its test, to change into your own.

    \b
    Example:
      vis-bench methods new my_method
    """
    from pathlib import Path

    from vis_bench.setup.new_method import new_method

    method, test = new_method(name, Path(out))
    title = "".join(part.capitalize() for part in name.split("_"))
    tell(f"wrote {method} and {test}")
    # to be copied: never wrapped
    typer.echo(f"check it:  vis-bench methods check {method}:{title}")
    typer.echo(f"       or  python -m pytest {test}")
    typer.echo(f"train it:  vis-bench run --methods {method}:{title} --dataset shapes")


@methods_app.command("check")
def methods_check(
    name: MethodName,
    config: Annotated[str | None, typer.Option(help="Configuration.  [default: tiny]")] = None,
    weights: Annotated[
        str | None, typer.Option(help="Checkpoint of foreign code.  [default: random]")
    ] = None,
    project: Project = None,
    associate: Associate = None,
    prompt: Prompt = None,
    json_: PrintJson = False,
) -> None:
    """Check that a method keeps what every method promises. Exits 4 when it does not.

    Trains a few steps on drawn pictures: no dataset is needed, and a tiny configuration takes seconds.

    \b
    Examples:
      vis-bench methods check stc
      vis-bench methods check my_method.py:MyMethod
      vis-bench methods check detectron2:vis.yaml --weights w.pth
    """
    from vis_bench.errors import MethodError
    from vis_bench.files import dump_json
    from vis_bench.report.tables.text import wrap_behind
    from vis_bench.setup.frameworks import with_options
    from vis_bench.setup.plugins import check_shadowing

    check_shadowing()
    try:
        from vis_bench.engine.contract.check import check_method
        from vis_bench.engine.contract.subject import find_subject
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in {"torch", "safetensors"}:
            raise
        raise MethodError(
            f"Checking a method needs {error.name}. Install it with: pip install 'vis-bench[methods]'"
        ) from None
    (named,) = with_options([name], {"project": project, "associate": associate, "prompt": prompt})
    subject = find_subject(named, config, optional_path(weights))
    results = []
    for result in check_method(subject):
        results.append(result)
        if not json_:
            repair = f" Repair: {result.repair}" if result.repair else ""
            stop = "." if repair and not result.detail.endswith(".") else ""
            head = f"{_MARKS[result.status]:<7} {result.name:<22} "
            typer.echo("\n".join(wrap_behind(head, f"{result.detail}{stop}{repair}")))
    failed = [result.name for result in results if result.status == "failed"]
    if json_:
        facts = {
            "method": subject.spec.info.name,
            "config": subject.config_name,
            "ok": not failed,
            "checks": [dataclasses.asdict(result) for result in results],
        }
        typer.echo(dump_json(facts, indent=1))
    if failed:
        raise MethodError(
            f"{subject.spec.info.name}@{subject.config_name} fails {len(failed)} of {len(results)} checks: "
            f"{', '.join(failed)}."
        )


def _text(facts: dict[str, Any], dataset: str, classes: int) -> str:
    parameters = facts["parameters"]
    lines = [
        f"{facts['title']} ({facts['name']}@{facts['config']})",
        f"  paper       {facts['paper']}",
        f"  paradigm    {facts['paradigm']}, {'online' if facts['online'] else 'offline'}",
        f"  licence     {facts['licence']}",
        f"  parameters  {parameters['total']:,} ({parameters['trainable']:,} trainable), "
        f"{classes} classes of {dataset}",
        f"  MACs        {_macs_text(facts)}",
    ]
    lines += _module_lines(parameters["by_module"], facts["macs"].get("by_module", {}))
    lines.append("  choices (where the paper is silent or easily misread)")
    for choice in facts["choices"]:
        lines.append(f"    {choice['id']:<4} {choice['name']} = {choice['value']}  [{choice['source']}]")
        lines.append(f"         {choice['note']}")
    return "\n".join(lines)


def _macs_text(facts: dict[str, Any]) -> str:
    macs, details = facts["macs_per_frame"], facts["macs"]
    if macs is None:
        return f"not measured ({details['reason']})"
    return f"{macs / 1e9:.2f} G multiply-adds per frame of {details['frame']}"


def _module_lines(parameters: dict[str, int], macs: dict[str, int]) -> list[str]:
    """One line per module that has parameters or multiply-adds."""
    lines = []
    for name in {**parameters, **macs}:
        count = f"{parameters[name]:>13,}" if name in parameters else " " * 13
        cost = f"{macs[name] / 1e9:>8.2f} G MACs" if name in macs else ""
        lines.append(f"    {name:<20} {count} {cost}".rstrip())
    return lines
