"""vis-bench eval."""

from __future__ import annotations

from typing import Annotated, Any

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
    complain,
    put_json,
    say,
    tell,
)


def eval_(
    predictions: PredictionsFile,
    truth: TruthFile = None,
    dataset: Dataset = None,
    split: Split = None,
    json_: JsonFile = None,
    metrics: Annotated[
        str | None,
        typer.Option(
            help="Metrics (video_ap,frame_ap,mot,mots,hota,teta,...) and groups (official,mot,hota,all), see "
            "docs/metrics.md.  [default: video_ap,frame_ap,mot,hota,errors,duplicates]"
        ),
    ] = None,
    iou_type: IouType = "segm",
    ignore_unknown_categories: Annotated[
        bool, typer.Option("--ignore-unknown-categories", help="Drop predictions of unknown categories.")
    ] = False,
    class_groups: Annotated[
        str | None,
        typer.Option(metavar="PATH", help="JSON file, name -> list of classes: AP of each group."),
    ] = None,
    count_crowds: Annotated[
        bool, typer.Option("--count-crowds", help="Crowd truth has to be found by video AP (LV-VIS).")
    ] = False,
    truth_long: Annotated[
        str | None,
        typer.Option(metavar="PATH", help="Truth of the long videos (YouTube-VIS 2022): short, long, mean."),
    ] = None,
    predictions_long: Annotated[
        str | None,
        typer.Option(metavar="PATH", help="Their predictions, where they are in a file of their own."),
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option(min=1, help="Processes that share the videos.  [default: the cores, above 50 videos]"),
    ] = None,
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
      vis-bench eval results.json --truth gt_short.json --truth-long gt_long.json
      vis-bench eval results.json --truth lvvis.json --class-groups groups.json --count-crowds
    """
    from vis_bench.errors import UsageError
    from vis_bench.files import require_target
    from vis_bench.report.terminal.explanation import costly_videos_text
    from vis_bench.report.terminal.summary import evaluation_summary, mean_text
    from vis_bench.scoring.explain import costly_videos
    from vis_bench.scoring.files import evaluation
    from vis_bench.scoring.short_long import evaluate_short_long, mean_of_parts

    require_target(json_)
    options: dict[str, Any] = {
        "metrics": metrics,
        "iou_type": iou_type,
        "ignore_unknown_categories": ignore_unknown_categories,
        "class_groups": class_groups,
        "count_crowds": count_crowds,
        "jobs": jobs,
        "format": format_,
        "say": say,
    }
    numbers: dict[str, Any]
    if truth_long is None:
        if predictions_long is not None:
            raise UsageError("--predictions-long goes with --truth-long.")
        place: dict[str, Any] = {"dataset": dataset, "split": split, "data_root": data_root}
        parts = {"": evaluation(predictions, truth, **place, **options)}
        numbers = parts[""].numbers
    else:
        if truth is None or dataset is not None:
            raise UsageError("--truth-long goes with --truth, the truth of the short videos.")
        parts = evaluate_short_long(predictions, truth, truth_long, predictions_long, **options)
        numbers = {name: part.numbers for name, part in parts.items()}
        if all("video_ap" in part for part in numbers.values()):
            numbers["mean"] = mean_of_parts(numbers)
    for name, part in parts.items():
        where = f"{predictions} ({name} videos)" if name else predictions
        for warning in part.warnings:
            complain(f"vis-bench: warning: {where}: {warning}")
    if put_json(json_, numbers):
        return
    for part in parts.values():
        tell(evaluation_summary(part.numbers, part.dataset, part.predictions, part.iou_type))
        if part.statistics.video_ap is not None:
            names = {video.id: video.name for video in part.dataset.videos}
            costly = costly_videos(part.statistics, names)
            tell("\n" + "\n".join(costly_videos_text(costly)))
    if truth_long is not None and "mean" in numbers:
        tell("\n" + mean_text(numbers["mean"]))
