"""vis-bench import."""

from __future__ import annotations

from typing import Annotated

import typer

from vis_bench.cli.options import DataRoot, Dataset, Format, IouType, PredictionsFile, Split, TruthFile, say


def import_(
    predictions: PredictionsFile,
    name: Annotated[str, typer.Option("--name", help="What tables call it.")],
    paradigm: Annotated[str, typer.Option(help="Its paradigm, in any words.")] = "not stated",
    seed: Annotated[int, typer.Option(help="Which training, where there are several.")] = 0,
    truth: TruthFile = None,
    dataset: Dataset = None,
    split: Split = None,
    out: Annotated[str, typer.Option(help="Folder of the run directories.")] = "runs",
    format_: Format = None,
    iou_type: IouType = "segm",
    track_seconds: Annotated[
        float | None, typer.Option(help="How long tracking took, where it is known.")
    ] = None,
    hardware: Annotated[str | None, typer.Option(help="On which device it took so long.")] = None,
    data_root: DataRoot = None,
) -> None:
    """Make a record of predictions of any program: a row of tables, compare, viewer and gate.

    \b
    Examples:
      vis-bench import results.json --name dvis --dataset ytvis21
      vis-bench import results.zip --name minvis --dataset ovis --split valid --truth valid_gt.json
      vis-bench import tracks.txt --name ours --truth cvat.xml
    """
    from vis_bench.integrations.imported import import_predictions
    from vis_bench.report.terminal.comparison_table import comparison_table

    found = import_predictions(
        predictions,
        name,
        paradigm=paradigm,
        seed=seed,
        dataset=dataset,
        split=split,
        truth=truth,
        out=out,
        format=format_,
        iou_type=iou_type,
        track_seconds=track_seconds,
        hardware=hardware,
        data_root=data_root,
        say=say,
    )
    say(f"{'cached' if found.cached else found.record.status:<10} {found.folder}")
    typer.echo(comparison_table([found.record.model_dump(mode="json")]))
