"""`vis-bench methods check`."""

from __future__ import annotations

import dataclasses

import typer

from vis_bench.errors import MethodError
from vis_bench.files import dump_json
from vis_bench.setup.plugins import check_shadowing

_MARKS = {"ok": "ok", "failed": "FAILED", "not applicable": "-"}


def check_command(name: str, config: str | None, as_json: bool) -> None:
    """Print one line per check, or all as JSON. Raises MethodError when one failed."""
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
    subject = find_subject(name, config)
    results = []
    for result in check_method(subject):
        results.append(result)
        if not as_json:
            repair = f" Repair: {result.repair}" if result.repair else ""
            stop = "." if repair and not result.detail.endswith(".") else ""
            typer.echo(f"{_MARKS[result.status]:<7} {result.name:<22} {result.detail}{stop}{repair}")
    failed = [result.name for result in results if result.status == "failed"]
    if as_json:
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
