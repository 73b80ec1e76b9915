"""vis-bench doctor."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vis_bench.cli.options import DataRoot, PrintJson, optional_path, say

if TYPE_CHECKING:
    from vis_bench.doctor.finding import Finding

_MARGIN = 29
"""Columns of the state and the name."""
_REPAIR_MARGIN = 9
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
            typer.echo("\n".join(_lines(one)))
    troubles = sum(one.state == "trouble" for one in found)
    if json_:
        typer.echo(dump_json({"findings": [one.as_json() for one in found], "troubles": troubles}, indent=1))
    else:
        typer.echo(
            f"{troubles} trouble{'' if troubles == 1 else 's'} found" if troubles else "no trouble found"
        )
    if troubles:
        raise typer.Exit(EXIT_DATA)


def _lines(one: Finding) -> list[str]:
    """At most 80 columns, but for a command and a path, which stay whole."""
    from vis_bench.report.tables.text import TERMINAL_WIDTH, wrap, wrap_behind

    first, *others = wrap(one.found, TERMINAL_WIDTH - _MARGIN, whole_words=True)
    lines = [f"{_MARKS[one.state]:<8} {one.name:<19} {first}"]
    lines += [f"{'':<{_MARGIN}}{line}" for line in others]
    if one.repair:
        head = f"{'':<{_REPAIR_MARGIN}}repair: "
        lines += wrap_behind(head, one.repair)
    return lines
