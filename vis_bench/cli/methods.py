"""vis-bench methods ls, show, check."""

from __future__ import annotations

from typing import Annotated

import typer

from vis_bench.cli.options import Changes, MethodName, PrintJson

methods_app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="List and describe methods.")


@methods_app.command("ls")
def methods_ls(
    all_: Annotated[bool, typer.Option("--all", help="List every configuration.")] = False,
) -> None:
    """List the installed methods."""
    from vis_bench.commands.methods import list_command

    list_command(all_)


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
    from vis_bench.commands.methods import show_command

    show_command(name, config, dataset, tuple(set_ or ()), json_)


@methods_app.command("check")
def methods_check(
    name: MethodName,
    config: Annotated[str | None, typer.Option(help="Configuration.  [default: tiny]")] = None,
    json_: PrintJson = False,
) -> None:
    """Check that a method keeps what every method promises. Exits 4 when it does not.

    Trains a few steps on drawn pictures: no dataset is needed, and a tiny configuration takes seconds.

    \b
    Examples:
      vis-bench methods check stc
      vis-bench methods check my_method.py:MyMethod
    """
    from vis_bench.commands.check import check_command

    check_command(name, config, json_)
