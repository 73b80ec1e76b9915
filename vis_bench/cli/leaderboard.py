"""vis-bench leaderboard."""

from __future__ import annotations

from typing import Annotated

import typer

from vis_bench.cli.bundle import Signers
from vis_bench.cli.options import DataRoot, say, tell


def leaderboard(
    folder: Annotated[str, typer.Argument(metavar="FOLDER", help="Folder of bundles.")],
    out: Annotated[str, typer.Option("--out", "-o", help="Folder of the site.")] = "site",
    truth: Annotated[
        list[str] | None, typer.Option(metavar="FILE", help="Truth of a data set that has no name here.")
    ] = None,
    rescore: Annotated[
        bool, typer.Option("--rescore/--no-rescore", help="Score every bundle again, or take its word.")
    ] = True,
    viewer: Annotated[
        bool, typer.Option("--viewer/--no-viewer", help="Videos on the page of every entry.")
    ] = True,
    title: Annotated[str, typer.Option(help="Of the site.")] = "vis-bench leaderboard",
    signers: Signers = None,
    data_root: DataRoot = None,
) -> None:
    """Make a static site from bundles: tables with intervals and places, a page for each entry.

    The same bundles give the same bytes. Entries that cannot be scored again are marked as claimed.

    \b
    Examples:
      vis-bench leaderboard bundles -o site
      vis-bench leaderboard bundles -o site --truth instances_devval.json
    """
    from vis_bench.leaderboard.site import write_leaderboard

    found = write_leaderboard(
        folder,
        out,
        truths=truth or (),
        data_root=data_root,
        rescore=rescore,
        viewer=viewer,
        signers=signers,
        title=title,
        say=say,
    )
    tables = f"{found.tables} table{'s' if found.tables != 1 else ''}"
    entries = f"{found.entries} {'entries' if found.entries != 1 else 'entry'}"
    tell(f"{found.index}: {tables}, {entries}, {found.rescored} of them scored again and equal")
