"""vis-bench protocols ls, show."""

from __future__ import annotations

from typing import Annotated

import typer

from vis_bench.cli.options import PrintJson

protocols_app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="List and describe protocols.")


@protocols_app.command("ls")
def protocols_ls(json_: PrintJson = False) -> None:
    """List the protocols that come with vis-bench."""
    from vis_bench.files import dump_json
    from vis_bench.setup.protocol import load_protocol, protocol_names

    found = [load_protocol(name) for name in protocol_names()]
    if json_:
        rows = [
            {
                "name": one.name,
                "hash": one.content_hash(),
                "config": one.config,
                "datasets": list(one.datasets),
                "about": one.about,
            }
            for one in found
        ]
        typer.echo(dump_json(rows, indent=1))
        return
    for one in found:
        _print_beside(f"{one.name:<14} {one.content_hash()[:8]}  ", one.about)


@protocols_app.command("show")
def protocols_show(
    name: Annotated[str, typer.Argument(help="Protocol name or TOML file.")], json_: PrintJson = False
) -> None:
    """Every value of a protocol, those at their default too, and the hash that records name it by."""
    from vis_bench.files import dump_json
    from vis_bench.setup.protocol import load_protocol

    protocol = load_protocol(name)
    values = protocol.model_dump(mode="json")
    if json_:
        typer.echo(dump_json({**values, "hash": protocol.content_hash()}, indent=1))
        return
    typer.echo(f"{protocol.name} ({protocol.content_hash()})")
    _print_values(values, "")


def _print_values(values: dict[str, object], place: str) -> None:
    for key, value in values.items():
        if isinstance(value, dict) and value:
            _print_values(value, f"{place}{key}.")
        else:
            _print_beside(f"{place + key:<34} ", str(value))


def _print_beside(name: str, text: str) -> None:
    """Text behind a name, wrapped at 80 columns."""
    from vis_bench.report.tables.text import TERMINAL_WIDTH, wrap

    first, *others = wrap(text, TERMINAL_WIDTH - len(name)) or [""]
    typer.echo("\n".join([f"{name}{first}".rstrip(), *(f"{'':<{len(name)}}{line}" for line in others)]))
