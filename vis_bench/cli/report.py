"""vis-bench report."""

from __future__ import annotations

from typing import Annotated

import typer

from vis_bench.cli.options import Columns, DataRoot, PlaceOfVideos, Threshold, say


def report(
    places: Annotated[list[str], typer.Argument(metavar="RUNS...", help="Run directories or record files.")],
    out: Annotated[str, typer.Option(help="Folder to write.")] = "reports/latest",
    pictures: Annotated[
        bool, typer.Option("--pictures/--no-pictures", help="Draw frames (needs the dataset).")
    ] = True,
    columns: Columns = None,
    dataset: PlaceOfVideos = None,
    threshold: Threshold = None,
    protocol: Annotated[
        list[str] | None,
        typer.Option(metavar="FILE.toml", help="A protocol that is neither installed nor beside the runs."),
    ] = None,
    data_root: DataRoot = None,
) -> None:
    """Make a table and a report folder from records.

    \b
    Example:
      vis-bench report runs/shapes-test --out reports/shapes
      vis-bench report runs/shapes-test --columns AP,APs,HOTA,AssA
    """
    from vis_bench.report.write import write_report

    write_report(
        places,
        out,
        columns=columns,
        pictures=pictures,
        dataset=dataset,
        data_root=data_root,
        threshold=threshold,
        protocols=protocol or (),
        show=typer.echo,
        say=say,
    )
