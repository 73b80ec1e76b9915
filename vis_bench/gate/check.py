"""All checks of a call of `gate`: stored runs scored and associated again, and new trainings beside them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from vis_bench.data.bar import bar
from vis_bench.errors import UsageError
from vis_bench.gate.baseline import StoredRun, make_baseline, read_baseline
from vis_bench.gate.retrained import check_margins, retrained
from vis_bench.gate.stored import reassociate_again, require_frames_of, rescore
from vis_bench.gate.verdict import Check
from vis_bench.records.columns import parse_threshold
from vis_bench.setup.plugins import check_shadowing


def gate_checks(
    *,
    against: str | None,
    make: str | None,
    run_dirs: Sequence[str] = (),
    runs: str | None = None,
    margins: Sequence[str] = (),
    dataset: str | None = None,
    data_root: Path | None = None,
    threshold: str | None = None,
) -> list[Check]:
    """Check today's code against a baseline, or make one from run_dirs and check that. Options as typed.

    Raises UsageError for options that do not go together and where nothing is to be checked.
    """
    check_shadowing()
    if (not against) == (not make):
        raise UsageError("Give either --against BASELINE or --make BASELINE RUN_DIR...")
    if not make and run_dirs:
        raise UsageError("Run directories go with --make; new runs to compare are named by --runs FOLDER.")
    given = dict(_margin(text) for text in margins)
    check_margins(given)
    above = parse_threshold(threshold)
    folder = Path(against or make or "")
    if make:
        content, stored = make_baseline(folder, tuple(map(Path, run_dirs)), dataset)
    else:
        content, stored = read_baseline(folder)
    if dataset is not None:
        stored = tuple(replace(run, dataset=dataset) for run in stored)
    checks = check_stored(stored, data_root)
    if runs:
        compared = [run for run in stored if 3 in run.tiers]
        if not compared:
            raise UsageError(f"{folder}: no run of this baseline is for tier 3, so --runs compares nothing.")
        checks += retrained(compared, Path(runs), given or content.margins, data_root, above)
    if not checks:
        raise UsageError(f"{folder}: nothing to check. Tier 3 needs --runs FOLDER.")
    return checks


def check_stored(stored: Sequence[StoredRun], data_root: Path | None = None) -> list[Check]:
    """Tiers 1 and 2 of the runs that ask for them, tier by tier."""
    again = [run for run in stored if 2 in run.tiers]
    for run in again:
        require_frames_of(run)
    steps = [(rescore, run) for run in stored if 1 in run.tiers] + [(reassociate_again, run) for run in again]
    return [check(run, data_root) for check, run in bar(steps, "checking", "run")]


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
