"""The command line. Thin: every command imports what it needs when it is called, so --help is instant."""

from __future__ import annotations

import os
import sys
import traceback
from typing import Annotated

import typer

from vis_bench import __version__
from vis_bench.cli.compare import compare
from vis_bench.cli.data import data_app
from vis_bench.cli.eval import eval_
from vis_bench.cli.explain import explain
from vis_bench.cli.gate import gate
from vis_bench.cli.methods import methods_app
from vis_bench.cli.pretrain import pretrain
from vis_bench.cli.reassociate import reassociate
from vis_bench.cli.report import report
from vis_bench.cli.reproduce import reproduce
from vis_bench.cli.run import run
from vis_bench.cli.speed import speed
from vis_bench.cli.weights import weights_app
from vis_bench.errors import (
    EXIT_BROKEN_PIPE,
    EXIT_INTERRUPTED,
    EXIT_TERMINATED,
    EXIT_UNEXPECTED,
    VisBenchError,
)


def _print_version(value: bool) -> None:
    if value:
        from vis_bench.masks.kernels import kernels_in_use

        typer.echo(f"vis-bench {__version__}\nkernels    {kernels_in_use()}")
        raise typer.Exit


def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Compare the paradigms of video instance segmentation under one protocol.

    Exit codes: 0 ok, 1 gate failed, 2 usage, 3 data missing or invalid, 4 some method failed,
    5 not comparable, 6 inconclusive, 70 unexpected error, 130 interrupted, 141 nobody read the output any
    more, 143 ended by SIGTERM.
    """


def _application() -> typer.Typer:
    app = typer.Typer(
        name="vis-bench",
        help="Compare the paradigms of video instance segmentation under one protocol.",
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    )
    app.callback()(root)
    for command in (run, pretrain, explain, eval_, reassociate, gate, report, reproduce, compare, speed):
        app.command(command.__name__.rstrip("_"))(command)
    app.add_typer(data_app, name="data")
    app.add_typer(methods_app, name="methods")
    app.add_typer(weights_app, name="weights")
    return app


def main() -> None:
    """Entry point of `vis-bench`: turns every expected error into one line and its exit code.

    Any other exception is a bug; its traceback is printed, and the exit code is none that a gate returns.
    """
    try:
        try:
            _application()()
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        _leave_a_broken_pipe()
    except VisBenchError as error:
        typer.echo(f"vis-bench: {error}", err=True)
        sys.exit(error.exit_code)
    except SystemExit as end:
        # click ends with 1, which is "gate failed" here
        if isinstance(end.__context__, BrokenPipeError):
            _leave_a_broken_pipe()
        if end.code in (EXIT_INTERRUPTED, EXIT_TERMINATED):
            typer.echo("vis-bench: interrupted; the same command goes on from here.", err=True)
        raise
    except Exception:  # noqa: BLE001 - shown in full
        traceback.print_exc()
        sys.exit(EXIT_UNEXPECTED)


def _leave_a_broken_pipe() -> None:
    """End as `head -1` has it; Python would try to write the rest once more, and complain."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(EXIT_BROKEN_PIPE)
