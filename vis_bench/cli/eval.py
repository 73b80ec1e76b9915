"""vis-bench eval."""

from __future__ import annotations

from typing import Annotated

import typer

from vis_bench.cli.options import (
    DataRoot,
    Dataset,
    Format,
    IouType,
    Jobs,
    JsonFile,
    PredictionsFile,
    Split,
    TruthFile,
    put_json,
    say,
)


def eval_(
    predictions: PredictionsFile,
    truth: TruthFile = None,
    dataset: Dataset = None,
    split: Split = None,
    json_: JsonFile = None,
    metrics: Annotated[
        str | None, typer.Option(help="Some of ap,frame_ap,mot,hota,errors,duplicates.  [default: all]")
    ] = None,
    iou_type: IouType = "segm",
    ignore_unknown_categories: Annotated[
        bool, typer.Option("--ignore-unknown-categories", help="Drop predictions of unknown categories.")
    ] = False,
    jobs: Jobs = 1,
    data_root: DataRoot = None,
    format_: Format = None,
) -> None:
    """Score predictions: YouTube-VIS results, COCO-video, MOTS, DAVIS, BURST, ... Needs no torch and no GPU.

    \b
    Examples:
      vis-bench eval results.json --dataset ytvis21
      vis-bench eval results.json.gz --truth instances_val.json --json metrics.json
      vis-bench eval mots/ --truth instances_val.json --format mots-txt
      vis-bench eval boxes.json --dataset ytvis21 --iou-type bbox
    """
    from vis_bench.files import require_target
    from vis_bench.report.terminal.explanation import costly_videos_text
    from vis_bench.report.terminal.summary import evaluation_summary
    from vis_bench.scoring.explain import costly_videos
    from vis_bench.scoring.files import evaluation

    require_target(json_)
    found = evaluation(
        predictions,
        truth,
        dataset=dataset,
        split=split,
        metrics=metrics,
        iou_type=iou_type,
        ignore_unknown_categories=ignore_unknown_categories,
        jobs=jobs,
        data_root=data_root,
        format=format_,
        say=say,
    )
    if not found.tracks:
        typer.echo(f"vis-bench: warning: {predictions} holds no predictions; the score is 0.", err=True)
    if put_json(json_, found.numbers):
        return
    typer.echo(evaluation_summary(found.numbers, found.dataset, found.tracks, found.iou_type))
    if found.statistics.video_ap is not None:
        names = {video.id: video.name for video in found.dataset.videos}
        costly = costly_videos(found.statistics, names)
        typer.echo("\n" + "\n".join(costly_videos_text(costly)))
