"""Commands on finished runs: compare, reproduce, report, gate."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vis_bench.cli.options import DataRoot, Jobs, PlaceOfVideos, PrintJson, optional_path


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
    from vis_bench.commands.gate import GateArguments, gate_command

    gate_command(
        GateArguments(
            tuple(Path(place) for place in run_dirs or ()),
            optional_path(against),
            optional_path(make),
            optional_path(runs),
            tuple(margin or ()),
            dataset,
            optional_path(junit),
            optional_path(markdown),
            optional_path(data_root),
        )
    )


def report(
    places: Annotated[list[str], typer.Argument(metavar="RUNS...", help="Run directories or record files.")],
    out: Annotated[str, typer.Option(help="Folder to write.")] = "reports/latest",
    pictures: Annotated[
        bool, typer.Option("--pictures/--no-pictures", help="Draw frames (needs the dataset).")
    ] = True,
    dataset: PlaceOfVideos = None,
    data_root: DataRoot = None,
) -> None:
    """Make a table and a report folder from records.

    \b
    Example:
      vis-bench report runs/shapes-test --out reports/shapes
    """
    from vis_bench.commands.report import report_command

    report_command(
        [Path(place) for place in places],
        Path(out),
        pictures,
        dataset,
        optional_path(data_root),
    )


def reproduce(
    target: Annotated[
        str | None, typer.Argument(metavar="PAPER[:TABLE]", help="e.g. inspro:1, stc:4, ifr:figure4.")
    ] = None,
    records: Annotated[
        str | None, typer.Option(help="Folder of records to compare with.  [default: runs]")
    ] = None,
    on: Annotated[
        str | None, typer.Option(metavar="DATASET", help="Take measured numbers from this data set only.")
    ] = None,
    conflicts: Annotated[
        bool, typer.Option("--conflicts", help="List the contradictions between and inside the papers.")
    ] = False,
    json_: PrintJson = False,
    format_: Annotated[str, typer.Option("--format", help="text, markdown or latex (booktabs).")] = "text",
    threshold: Annotated[
        str, typer.Option(help="Score from which tracks count in tracking metrics: 0.0, 0.1, 0.3, 0.5.")
    ] = "0.3",
    plot: Annotated[
        str | None, typer.Option(metavar="FILE", help="Draw a figure of a paper from the records (PNG).")
    ] = None,
) -> None:
    """Print the papers' tables beside what was measured, and say of every row whether it is reproduced.

    \b
    Examples:
      vis-bench reproduce
      vis-bench reproduce inspro:1 --records results
      vis-bench reproduce ifr:3 --on shapes
      vis-bench reproduce ifr:figure4 --on shapes --plot figure4.png
      vis-bench reproduce --conflicts
    """
    from vis_bench.commands.reproduce import ReproduceArguments, reproduce_command

    reproduce_command(
        ReproduceArguments(
            target, optional_path(records), on, conflicts, json_, format_, threshold, optional_path(plot)
        )
    )


def compare(
    names: Annotated[
        list[str],
        typer.Argument(metavar="A B [C...]", help="Methods as tables name them, or run directories."),
    ],
    metric: Annotated[
        str, typer.Option(help="AP, AP50, AR10, fAP, IDF1, MOTA, HOTA, ... as in tables.")
    ] = "AP",
    records: Annotated[
        list[str] | None, typer.Option(help="Folder of the runs; may be given again.  [default: runs]")
    ] = None,
    dataset: Annotated[
        str | None, typer.Option("--dataset", "-d", help="Which dataset, or where the videos of a path are.")
    ] = None,
    split: Annotated[str | None, typer.Option(help="Which split.")] = None,
    protocol: Annotated[str | None, typer.Option(help="Which protocol.")] = None,
    margin: Annotated[float, typer.Option(help="Points within which methods count as equivalent.")] = 0.5,
    all_pairs: Annotated[
        bool, typer.Option("--all-pairs", help="Every pair instead of A with each other one.")
    ] = False,
    json_: Annotated[
        str | None, typer.Option("--json", metavar="PATH", help="Write the numbers here (- = stdout).")
    ] = None,
    jobs: Jobs = 1,
    data_root: DataRoot = None,
) -> None:
    """Say which method is better, by how much, and whether other seeds and videos would agree.

    Scores the predictions of the runs again under resampled videos. Needs no torch.

    \b
    Examples:
      vis-bench compare stc inspro
      vis-bench compare inspro inspro@A inspro@B --metric AP50
      vis-bench compare runs-old/stc runs-new/stc --margin 1
    """
    from vis_bench.commands.compare import CompareArguments, compare_command

    compare_command(
        CompareArguments(
            tuple(names),
            metric,
            tuple(Path(place) for place in records or ["runs"]),
            dataset,
            split,
            protocol,
            margin,
            all_pairs,
            json_,
            jobs,
            optional_path(data_root),
        )
    )
