"""vis-bench explain."""

from __future__ import annotations

from typing import Annotated

import typer

from vis_bench.cli.options import (
    DataRoot,
    Dataset,
    Format,
    IouType,
    JsonFile,
    PredictionsFile,
    Split,
    TruthFile,
    put_json,
    say,
)


def explain(
    predictions: PredictionsFile,
    truth: TruthFile = None,
    dataset: Dataset = None,
    split: Split = None,
    json_: JsonFile = None,
    events: Annotated[
        str | None, typer.Option(metavar="PATH", help="Write every single error in time here (JSON).")
    ] = None,
    iou_type: IouType = "segm",
    data_root: DataRoot = None,
    format_: Format = None,
) -> None:
    """Say why predictions score what they score: oracles, errors, slices, costly videos.

    \b
    Examples:
      vis-bench explain results.json --dataset ytvis21
      vis-bench explain results.json --truth instances_val.json --events events.json
    """
    from vis_bench.report.terminal.explanation import explanation_text
    from vis_bench.scoring import files

    result = files.explain(
        predictions,
        truth,
        dataset=dataset,
        split=split,
        iou_type=iou_type,
        events=events,
        data_root=data_root,
        format=format_,
        say=say,
    )
    if not put_json(json_, result):
        typer.echo(explanation_text(result))
