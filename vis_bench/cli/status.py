"""vis-bench status, merge."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from vis_bench.cli.options import say, tell

WATCH_SECONDS = 2.0


def status(
    folder: Annotated[str, typer.Argument(metavar="DIR", help="Folder of results (--out of run).")] = "runs",
    watch: Annotated[bool, typer.Option("--watch", help="Again and again, until nothing is left.")] = False,
    json_: Annotated[
        bool, typer.Option("--json", help="Print JSON; with --watch one line each time.")
    ] = False,
) -> None:
    """How far the runs of a folder are: done, running and where, failed and why, waiting.

    Reads files alone, so that it works from another terminal or machine.

    \b
    Examples:
      vis-bench status runs --watch
      vis-bench status runs --json
    """
    from vis_bench.engine.status import folder_status, status_text
    from vis_bench.files import dump_json

    while True:
        found = folder_status(folder)
        if json_:
            typer.echo(dump_json(found.as_json(), indent=None if watch else 1))
        else:
            tell(status_text(found))
        if not watch or not (found.counts["running"] or found.counts["waiting"]):
            return
        time.sleep(WATCH_SECONDS)
        if not json_:
            typer.echo("")


def merge(
    folders: Annotated[list[str], typer.Argument(metavar="A B...", help="Folders of results.")],
    out: Annotated[str, typer.Option("--out", "-o", metavar="C", help="New folder.")],
) -> None:
    """Put the results of several machines into one new folder.

    The same unit twice with equal numbers is one; with different numbers it exits 5 and names both.

    \b
    Examples:
      vis-bench merge node1/runs node2/runs -o runs
    """
    from vis_bench.records.merge import merge as put_together

    found = put_together(folders, out)
    for first, second in found.equal:
        say(f"equal      {first} and {second}")
    for folder in found.replaced:
        say(f"left out   {folder} (failed; the other one did not)")
    tell(f"{out}: {found.units} unit{'s' if found.units != 1 else ''}")
