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
    from vis_bench.report.terminal.first_cause import first_cause, hopeless
    from vis_bench.scoring import files

    told = truth is not None or dataset is not None or split is not None
    place = truth if told else open_truth_beside(Path(predictions))
    kind = files.parse_iou_type(iou_type)
    opened = files.open_truth(place, dataset, split, data_root, say)
    result = files.explain(predictions, opened, iou_type=iou_type, events=events, format=format_, say=say)
    if put_json(json_, result):
        return
    # results are read a second time for it, which a pipe cannot be
    if hopeless(result) and (Path(predictions).is_file() or Path(predictions).is_dir()):
        tracks = files.read_predictions(predictions, opened, kind, format=format_)
        if cause := first_cause(opened, tracks, result, kind):
            typer.echo(cause + "\n")
    typer.echo(explanation_text(result))
