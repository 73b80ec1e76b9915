"""vis-bench gate."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vis_bench.cli.options import DataRoot, PlaceOfVideos, Threshold, optional_path


def gate(
    run_dirs: Annotated[
        list[str] | None, typer.Argument(metavar="[RUN_DIR]...", help="Finished runs, with --make.")
    ] = None,
    against: Annotated[
        str | None, typer.Option(metavar="BASELINE", help="Baseline to check against.")
    ] = None,
    make: Annotated[
        str | None, typer.Option(metavar="BASELINE", help="Make or renew this baseline from RUN_DIRs.")
    ] = None,
    runs: Annotated[
        str | None, typer.Option(metavar="FOLDER", help="New runs to compare with the baseline's (tier 3).")
    ] = None,
    margin: Annotated[
        list[str] | None,
        typer.Option(metavar="METRIC=POINTS", help="Loss that tier 3 accepts.  [default: the baseline's]"),
    ] = None,
    dataset: PlaceOfVideos = None,
    threshold: Threshold = None,
    junit: Annotated[str | None, typer.Option(metavar="FILE", help="Write JUnit XML here.")] = None,
    markdown: Annotated[str | None, typer.Option(metavar="FILE", help="Write a comment here.")] = None,
    data_root: DataRoot = None,
) -> None:
    """Check today's code against a stored baseline. Exits 0 pass, 1 fail, 6 inconclusive.

    Tier 1 scores stored predictions again, tier 2 associates stored detections again: any change fails. Tier
    3 (--runs) compares newly trained runs with the baseline's, by seed and video.

    \b
    Examples:
      vis-bench gate --against baseline --junit gate.xml
      vis-bench gate --against baseline --runs runs --margin AP=0.5 --margin IDF1=1
      vis-bench gate --make baseline runs/shapes-test/shapes/stc@tiny-seed-*
    """
    from vis_bench.files import write_text
    from vis_bench.gate.check import gate_checks
    from vis_bench.gate.report import gate_junit, gate_markdown, gate_text
    from vis_bench.gate.verdict import EXIT_CODES, overall

    checks = gate_checks(
        against=against,
        make=make,
        run_dirs=run_dirs or (),
        runs=runs,
        margins=margin or (),
        dataset=dataset,
        data_root=optional_path(data_root),
        threshold=threshold,
    )
    folder = str(Path(against or make or ""))
    if junit:
        write_text(Path(junit), gate_junit(checks))
    if markdown:
        write_text(Path(markdown), gate_markdown(folder, checks))
    typer.echo(gate_text(folder, checks))
    code = EXIT_CODES[overall(checks)]
    if code:
        raise typer.Exit(code)
