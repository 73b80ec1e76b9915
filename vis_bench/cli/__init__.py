"""The command line. Thin: every command imports what it needs when it is called, so --help is instant."""

from __future__ import annotations

import itertools
import os
import signal
import sys
import threading
import traceback
from types import FrameType
from typing import Annotated

import typer

from vis_bench import __version__
from vis_bench.cli.bundle import bundle, verify_bundle
from vis_bench.cli.cache import cache_app
from vis_bench.cli.compare import compare
from vis_bench.cli.data import data_app
from vis_bench.cli.doctor import doctor
from vis_bench.cli.eval import eval_
from vis_bench.cli.explain import explain
from vis_bench.cli.gate import gate
from vis_bench.cli.import_ import import_
from vis_bench.cli.leaderboard import leaderboard
from vis_bench.cli.methods import methods_app
from vis_bench.cli.model_card import model_card
from vis_bench.cli.options import complain
from vis_bench.cli.pretrain import pretrain
from vis_bench.cli.protocols import protocols_app
from vis_bench.cli.reassociate import reassociate
from vis_bench.cli.report import report
from vis_bench.cli.reproduce import reproduce
from vis_bench.cli.run import run
from vis_bench.cli.speed import speed
from vis_bench.cli.status import merge, status
from vis_bench.cli.submit import submit
from vis_bench.cli.track import track
from vis_bench.cli.weights import weights_app
from vis_bench.data.bar import QUIET_VARIABLE
from vis_bench.errors import (
    EXIT_BROKEN_PIPE,
    EXIT_DATA,
    EXIT_HUNG_UP,
    EXIT_INTERRUPTED,
    EXIT_TERMINATED,
    EXIT_UNEXPECTED,
    VisBenchError,
)


def _print_version(value: bool) -> None:
    if value:
        from vis_bench.cli.versions import torch_version
        from vis_bench.masks.kernels import kernels_in_use

        typer.echo(f"vis-bench {__version__}\nkernels    {kernels_in_use()}\ntorch      {torch_version()}")
        typer.echo("(vis-bench doctor: devices, drivers, data and caches)")
        raise typer.Exit


def root(
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            callback=_print_version,
            is_eager=True,
            help="Print the versions of vis-bench, kernels, torch and its CUDA.",
        ),
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="No progress and no notes; results, warnings and errors.")
    ] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Where in the code an error was found, too.")
    ] = False,
) -> None:
    """Compare the paradigms of video instance segmentation under one protocol.

    Exit codes: 0 ok, 1 gate failed, 2 usage, 3 data missing or invalid, 4 some method failed,
    5 not comparable, 6 inconclusive, 70 unexpected error, 129 the terminal was closed (SIGHUP), 130
    interrupted, 141 nobody read the output any more, 143 ended by SIGTERM.
    """
    if quiet:
        # the environment reaches the processes that are started too
        os.environ.update(_QUIET)


def _application() -> typer.Typer:
    app = typer.Typer(
        name="vis-bench",
        help="Compare the paradigms of video instance segmentation under one protocol.",
        no_args_is_help=True,
        add_completion=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    )
    app.callback()(root)
    for command in (
        run,
        pretrain,
        explain,
        eval_,
        import_,
        reassociate,
        gate,
        report,
        reproduce,
        compare,
        speed,
        submit,
        track,
        doctor,
        bundle,
        verify_bundle,
        leaderboard,
        status,
        merge,
        model_card,
    ):
        app.command(command.__name__.rstrip("_").replace("_", "-"))(command)
    app.add_typer(data_app, name="data")
    app.add_typer(methods_app, name="methods")
    app.add_typer(weights_app, name="weights")
    app.add_typer(protocols_app, name="protocols")
    app.add_typer(cache_app, name="cache")
    return app


def main() -> None:
    """Entry point of `vis-bench`: turns every expected error into one message and its exit code.

    Any other exception is a bug; its traceback is printed, and the exit code is none that a gate returns.
    """
    _take_any_text()
    _hear_the_end()
    before = {name: os.environ.get(name) for name in _QUIET}
    try:
        try:
            _application()()
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        _leave_a_broken_pipe()
    except VisBenchError as error:
        if _is_verbose(sys.argv[1:]):
            traceback.print_exc()
        complain(f"vis-bench: {error}")
        sys.exit(error.exit_code)
    except SystemExit as end:
        # click ends with 1, which is "gate failed" here
        if isinstance(end.__context__, BrokenPipeError):
            _leave_a_broken_pipe()
        if end.code in _ENDED_BY:
            kept = "; the same command goes on from here" if _goes_on(sys.argv[1:]) else ""
            _say(f"vis-bench: {_ENDED_BY[int(end.code)]}{kept}.")
        raise
    except RecursionError:
        _say("vis-bench: an input is nested too deeply to be worked with. Is it the right file?")
        sys.exit(EXIT_DATA)
    except Exception:  # noqa: BLE001 - shown in full
        traceback.print_exc()
        sys.exit(EXIT_UNEXPECTED)
    finally:
        _hear_no_more()
        _restore(before)


# what -q sets: the second is read by tqdm
_QUIET = {QUIET_VARIABLE: "1", "TQDM_DISABLE": "1"}


def _restore(before: dict[str, str | None]) -> None:
    """Leave the environment to a program that has called `main` as a function."""
    for name, value in before.items():
        os.environ.pop(name, None)
        if value is not None:
            os.environ[name] = value


def _is_verbose(arguments: list[str]) -> bool:
    """Whether -v stands before the command; the parser's own answer is gone when an error arrives here."""
    ours = itertools.takewhile(lambda one: one.startswith("-"), arguments)
    return any(one == "--verbose" or (not one.startswith("--") and "v" in one) for one in ours)


_RESUMED = ("run", "pretrain", "speed", "track")
"""Commands that keep what they have done; any other is short, and starts anew."""


def _goes_on(arguments: list[str]) -> bool:
    """Whether the command that was ended keeps what it has done."""
    return next((one for one in arguments if not one.startswith("-")), None) in _RESUMED


_ENDED_BY = {
    EXIT_INTERRUPTED: "interrupted",
    EXIT_TERMINATED: "ended by SIGTERM",
    EXIT_HUNG_UP: "ended by SIGHUP, the terminal was closed",
}


def _say(text: str) -> None:
    """A last word; after SIGHUP nobody may be there to read it."""
    try:
        complain(text)
    except OSError:
        return


def _take_any_text() -> None:
    """Print what a terminal cannot show as an escape: a name from a file must not end a command."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def _hear_the_end() -> None:
    """Turn SIGTERM and SIGHUP into an orderly end: processes of ours are ended, and a message is left.

    A signal that is ignored (nohup) stays ignored.
    """
    if threading.current_thread() is not threading.main_thread():
        return

    def end(number: int, frame: FrameType | None) -> None:
        sys.exit(128 + number)

    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, end)


def _hear_no_more() -> None:
    """Leave the signals to a program that has called `main` as a function."""
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        found = None if number is None else signal.getsignal(number)
        if number is not None and getattr(found, "__qualname__", "").startswith("_hear_the_end."):
            signal.signal(number, signal.SIG_DFL)


def _leave_a_broken_pipe() -> None:
    """End as `head -1` has it; Python would try to write the rest once more, and complain."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(EXIT_BROKEN_PIPE)
