"""vis-bench doctor."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vis_bench.cli.options import DataRoot, PrintJson, optional_path, say

_MARKS = {"ok": "ok", "absent": "-", "trouble": "TROUBLE"}


def doctor(
    runs: Annotated[
        list[str] | None, typer.Argument(metavar="[RUNS]...", help="Folders whose records to read too.")
    ] = None,
    data_root: DataRoot = None,
    json_: PrintJson = False,
) -> None:
    """Look at the installation, devices, data, caches and records; a line of repair for each trouble.

    Exits 3 when something is wrong; what is only absent is no trouble.

    \b
    Example:
      vis-bench doctor runs
    """
    from vis_bench.doctor.check import findings
    from vis_bench.errors import EXIT_DATA
    from vis_bench.files import dump_json

    found = []
    for one in findings([Path(text) for text in runs or ()], optional_path(data_root), say):
        found.append(one)
        if not json_:
            typer.echo(f"{_MARKS[one.state]:<8} {one.name:<19} {one.found}")
            if one.repair:
                typer.echo(f"{'':<8} {'':<19} repair: {one.repair}")
    troubles = sum(one.state == "trouble" for one in found)
    if json_:
        typer.echo(dump_json({"findings": [one.as_json() for one in found], "troubles": troubles}, indent=1))
    else:
        typer.echo(
            f"{troubles} trouble{'' if troubles == 1 else 's'} found" if troubles else "no trouble found"
        )
    if troubles:
        raise typer.Exit(EXIT_DATA)
