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
from vis_bench.evaluate import METRICS, evaluate
from vis_bench.files import dump_json, write_json
from vis_bench.metrics.overlap import IouType
from vis_bench.report.summary import evaluation_summary
from vis_bench.types import Dataset


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
    iou_types: dict[str, IouType] = {name: name for name in get_args(IouType)}
    if arguments.iou_type not in iou_types:
        raise UsageError(f"--iou-type {arguments.iou_type!r}: must be one of {', '.join(iou_types)}.")
    dataset = _truth(arguments)
    if dataset.tracks is None:
        raise DataError(
            f"{dataset.name} split {dataset.split!r} has no public truth, so nothing can be scored here. "
            "Score `--split devval` (held-out training videos), or upload the file to the official server."
        )
    iou_type = iou_types[arguments.iou_type]
    tracks = read_results(arguments.predictions, dataset, arguments.ignore_unknown_categories, iou_type)
    if not tracks:
        typer.echo(
            f"vis-bench: warning: {arguments.predictions} holds no predictions; the score is 0.", err=True
        )
    result = evaluate(dataset, tracks, metrics=metrics, iou_type=iou_type)
    if arguments.json == "-":
        sys.stdout.write(dump_json(result, indent=1) + "\n")
        return
    if arguments.json is not None:
        write_json(Path(arguments.json), result)
    typer.echo(evaluation_summary(result, dataset, len(tracks), iou_type))


def _truth(arguments: EvalArguments) -> Dataset:
    if (arguments.truth is None) == (arguments.dataset is None):
        raise UsageError("Give the truth either as --truth FILE or as --dataset NAME [--split S].")
    if arguments.truth is not None:
        if arguments.split is not None:
            raise UsageError("--split goes with --dataset, not with --truth.")
        return read_dataset(arguments.truth, None, arguments.truth.name, "truth")
    name = arguments.dataset or ""
    split = arguments.split or catalog.default_split(name)
    return catalog.open_dataset(name, split, arguments.data_root)
