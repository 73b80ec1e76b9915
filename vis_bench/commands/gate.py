"""`vis-bench gate`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import typer

from vis_bench.errors import UsageError
from vis_bench.files import write_text
from vis_bench.gate.baseline import StoredRun, make_baseline, read_baseline
from vis_bench.gate.report import gate_junit, gate_markdown, gate_text
from vis_bench.gate.retrained import check_margins, retrained
from vis_bench.gate.stored import reassociate_again, require_frames_of, rescore
from vis_bench.gate.verdict import EXIT_CODES, Check, overall
from vis_bench.setup.plugins import check_shadowing


@dataclass(frozen=True, slots=True)
class GateArguments:
    """The options of `vis-bench gate` as given."""

    run_dirs: tuple[Path, ...]
    against: Path | None
    make: Path | None
    runs: Path | None
    margins: tuple[str, ...]
    dataset: str | None
    junit: Path | None
    markdown: Path | None
    data_root: Path | None


def gate_command(arguments: GateArguments) -> None:
    """Check today's code against a baseline, or make one. Exits 0 pass, 1 fail, 6 inconclusive."""
    check_shadowing()
    if (arguments.against is None) == (arguments.make is None):
        raise UsageError("Give either --against BASELINE or --make BASELINE RUN_DIR...")
    if arguments.make is None and arguments.run_dirs:
        raise UsageError("Run directories go with --make; new runs to compare are named by --runs FOLDER.")
    given = dict(_margin(text) for text in arguments.margins)
    check_margins(given)
    folder = arguments.against or arguments.make or Path()
    if arguments.make is not None:
        content, stored = make_baseline(folder, arguments.run_dirs, arguments.dataset)
    else:
        content, stored = read_baseline(folder)
    if arguments.dataset is not None:
        stored = tuple(replace(run, dataset=arguments.dataset) for run in stored)
    checks = check_stored(stored, arguments.data_root)
    if arguments.runs is not None:
        compared = [run for run in stored if 3 in run.tiers]
        if not compared:
            raise UsageError(f"{folder}: no run of this baseline is for tier 3, so --runs compares nothing.")
        checks += retrained(compared, arguments.runs, given or content.margins, arguments.data_root)
    if not checks:
        raise UsageError(f"{folder}: nothing to check. Tier 3 needs --runs FOLDER.")
    if arguments.junit is not None:
        write_text(arguments.junit, gate_junit(checks))
    if arguments.markdown is not None:
        write_text(arguments.markdown, gate_markdown(str(folder), checks))
    typer.echo(gate_text(str(folder), checks))
    code = EXIT_CODES[overall(checks)]
    if code:
        raise typer.Exit(code)


def check_stored(stored: Sequence[StoredRun], data_root: Path | None = None) -> list[Check]:
    """Tiers 1 and 2 of the runs that ask for them, tier by tier."""
    checks = [rescore(run, data_root) for run in stored if 1 in run.tiers]
    for run in stored:
        if 2 in run.tiers:
            require_frames_of(run)
            checks.append(reassociate_again(run, data_root))
    return checks


def _margin(text: str) -> tuple[str, float]:
    """`AP=0.5` -> ("AP", 0.5). Raises UsageError for another form."""
    name, separator, value = text.partition("=")
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not separator or not math.isfinite(number):
        raise UsageError(f"--margin {text!r}: expected METRIC=POINTS, e.g. --margin AP=0.5.")
    return name.strip(), number
