"""`vis-bench eval`."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import typer

from vis_bench.data import catalog
from vis_bench.data.predictions import read_results
from vis_bench.data.ytvis import read_dataset
from vis_bench.errors import DataError, UsageError, did_you_mean
from vis_bench.files import dump_json, require_target, write_json
from vis_bench.report.terminal.explanation import costly_videos_text
from vis_bench.report.terminal.summary import evaluation_summary
from vis_bench.scoring.evaluate import METRICS, measure, score
from vis_bench.scoring.explain import costly_videos
from vis_bench.types import Dataset, IouType


@dataclass(frozen=True, slots=True)
class EvalArguments:
    """The options of `vis-bench eval` as given."""

    predictions: Path
    truth: Path | None
    dataset: str | None
    split: str | None
    json: str | None
    metrics: str | None
    iou_type: str
    ignore_unknown_categories: bool
    jobs: int
    data_root: Path | None


def eval_command(arguments: EvalArguments) -> None:
    """Score a results file. Raises DataError (exit 3) for bad files and for splits without truth."""
    given = (arguments.metrics or ",".join(METRICS)).split(",")
    metrics = [name.strip() for name in given if name.strip()]
    if not metrics:
        raise UsageError(f"--metrics {arguments.metrics!r}: names no metric. Known: {', '.join(METRICS)}.")
    for name in metrics:
        if name not in METRICS:
            raise UsageError(f"Unknown metric {name!r}.{did_you_mean(name, METRICS)}")
    iou_type = parse_iou_type(arguments.iou_type)
    dataset = open_truth(arguments.truth, arguments.dataset, arguments.split, arguments.data_root)
    tracks = read_results(arguments.predictions, dataset, arguments.ignore_unknown_categories, iou_type)
    if not tracks:
        typer.echo(
            f"vis-bench: warning: {arguments.predictions} holds no predictions; the score is 0.", err=True
        )
    require_target(arguments.json)
    statistics = measure(dataset, tracks, metrics, iou_type, arguments.jobs)
    result = score(statistics)
    if arguments.json == "-":
        sys.stdout.write(dump_json(result, indent=1) + "\n")
        return
    if arguments.json is not None:
        write_json(Path(arguments.json), result)
    typer.echo(evaluation_summary(result, dataset, len(tracks), iou_type))
    if "ap" in metrics:
        names = {video.id: video.name for video in dataset.videos}
        costly = costly_videos(statistics, names)
        typer.echo("\n" + "\n".join(costly_videos_text(costly)))


def parse_iou_type(text: str) -> IouType:
    """`segm` or `bbox`. Raises UsageError for anything else."""
    iou_types: dict[str, IouType] = {name: name for name in get_args(IouType)}
    if text not in iou_types:
        raise UsageError(f"--iou-type {text!r}: must be one of {', '.join(iou_types)}.")
    return iou_types[text]


def open_truth(truth: Path | None, name: str | None, split: str | None, data_root: Path | None) -> Dataset:
    """The truth given as a file or as a dataset.

    Raises UsageError unless exactly one is given, DataError for bad files and for splits without truth.
    """
    if (truth is None) == (name is None):
        raise UsageError("Give the truth either as --truth FILE or as --dataset NAME [--split S].")
    if truth is not None:
        if split is not None:
            raise UsageError("--split goes with --dataset, not with --truth.")
        dataset = read_dataset(truth, None, truth.name, "truth")
    else:
        dataset = catalog.open_dataset(name or "", split or catalog.default_split(name or ""), data_root)
    if dataset.tracks is None:
        raise DataError(
            f"{dataset.name} split {dataset.split!r} has no public truth, so nothing can be scored here. "
            "Score `--split devval` (held-out training videos), or upload the file to the official server."
        )
    return dataset
