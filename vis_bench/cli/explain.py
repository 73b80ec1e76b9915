"""vis-bench explain."""

from __future__ import annotations

from pathlib import Path
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

    Predictions in the run directory of an import need no --truth: where it lies is remembered.

    \b
    Examples:
      vis-bench explain results.json --dataset ytvis21
      vis-bench explain results.json --truth instances_val.json --events events.json
    """
    from vis_bench.data.remembered_truth import open_truth_beside
    from vis_bench.report.terminal.explanation import explanation_text
    from vis_bench.scoring import files

    told = truth is not None or dataset is not None or split is not None
    result = files.explain(
        predictions,
        truth if told else open_truth_beside(Path(predictions)),
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
