"""Commands on predictions that are there already: eval, explain, reassociate."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vis_bench.cli.options import (
    Changes,
    DataRoot,
    Dataset,
    IouType,
    Jobs,
    PredictionsFile,
    Split,
    TruthFile,
    optional_path,
)


def explain(
    predictions: PredictionsFile,
    truth: TruthFile = None,
    dataset: Dataset = None,
    split: Split = None,
    json_: Annotated[
        str | None, typer.Option("--json", metavar="PATH", help="Write everything here (- = stdout).")
    ] = None,
    events: Annotated[
        str | None, typer.Option(metavar="PATH", help="Write every single error in time here (JSON).")
    ] = None,
    iou_type: IouType = "segm",
    data_root: DataRoot = None,
) -> None:
    """Say why predictions score what they score: oracles, errors, slices, costly videos.

    \b
    Examples:
      vis-bench explain results.json --dataset ytvis21
      vis-bench explain results.json --truth instances_val.json --events events.json
    """
    from vis_bench.commands.explain import ExplainArguments, explain_command

    explain_command(
        ExplainArguments(
            Path(predictions),
            optional_path(truth),
            dataset,
            split,
            json_,
            optional_path(events),
            iou_type,
            optional_path(data_root),
        )
    )


def eval_(
    predictions: PredictionsFile,
    truth: TruthFile = None,
    dataset: Dataset = None,
    split: Split = None,
    json_: Annotated[
        str | None, typer.Option("--json", metavar="PATH", help="Write the metrics here (- = stdout).")
    ] = None,
    metrics: Annotated[
        str | None, typer.Option(help="Some of ap,frame_ap,mot,hota,errors.  [default: all]")
    ] = None,
    iou_type: IouType = "segm",
    ignore_unknown_categories: Annotated[
        bool, typer.Option("--ignore-unknown-categories", help="Drop predictions of unknown categories.")
    ] = False,
    jobs: Jobs = 1,
    data_root: DataRoot = None,
) -> None:
    """Score predictions in the YouTube-VIS results format. Needs no torch and no GPU.

    \b
    Examples:
      vis-bench eval results.json --dataset ytvis21
      vis-bench eval results.json.gz --truth instances_val.json --json metrics.json
      vis-bench eval boxes.json --dataset ytvis21 --iou-type bbox
    """
    from vis_bench.commands.eval import EvalArguments, eval_command

    eval_command(
        EvalArguments(
            Path(predictions),
            optional_path(truth),
            dataset,
            split,
            json_,
            metrics,
            iou_type,
            ignore_unknown_categories,
            jobs,
            optional_path(data_root),
        )
    )


def reassociate(
    frames: Annotated[
        str,
        typer.Argument(metavar="FRAMES", help="frames.jsonl.gz of a run with --keep-frames, or its folder."),
    ],
    method: Annotated[
        str, typer.Option("--method", "-m", help="Whose association rule: NAME[@VARIANT],... or `all`.")
    ],
    dataset: Annotated[str, typer.Option("--dataset", "-d", help="Dataset that the run was evaluated on.")],
    split: Split = None,
    set_: Changes = None,
    json_: Annotated[
        str | None,
        typer.Option("--json", metavar="PATH", help="Write the metrics by rule here (- = stdout)."),
    ] = None,
    predictions: Annotated[
        str | None, typer.Option(metavar="PATH", help="Write the tracks here (one rule), results format.")
    ] = None,
    data_root: DataRoot = None,
) -> None:
    """Track the stored detections of one run under the association rule of another method.

    Needs no torch and no GPU.

    \b
    Examples:
      vis-bench run --methods stc --dataset shapes --keep-frames
      vis-bench reassociate runs/shapes-test/shapes/stc@tiny-seed-0-... -m all -d shapes
      vis-bench reassociate frames.jsonl.gz -m stc -d shapes --set association.iou_weight=0
    """
    from vis_bench.commands.reassociate import ReassociateArguments, reassociate_command

    reassociate_command(
        ReassociateArguments(
            Path(frames),
            method,
            dataset,
            split,
            tuple(set_ or ()),
            json_,
            optional_path(predictions),
            optional_path(data_root),
        )
    )
