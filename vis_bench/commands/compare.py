"""`vis-bench compare`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import typer

from vis_bench.data import catalog, splits
from vis_bench.data.predictions import read_results
from vis_bench.errors import DataError, UsageError, VisBenchError, did_you_mean
from vis_bench.files import dump_json, require_target, write_json
from vis_bench.records.choose import Chosen, choose, is_path, read_stored
from vis_bench.records.columns import COLUMNS, COMPARED_METRICS, Column, Record, read_value
from vis_bench.records.rows import installed_protocols
from vis_bench.records.run import PREDICTIONS_NAME
from vis_bench.report.terminal.verdicts import comparison_text
from vis_bench.scoring.evaluate import Statistics, measure
from vis_bench.study.comparison import (
    Scores,
    Study,
    compare_all,
    defined_everywhere,
    mean_interval,
    resample_videos,
    score_runs,
)
from vis_bench.types import Dataset

# which part of `vis_bench.scoring.evaluate` a column needs, by the first key of its path
_PARTS = {"video_ap": "ap", "frame_ap": "frame_ap", "mot": "mot", "hota": "hota"}
# re-scoring is exact; a record that is further off was scored by other code
_TOLERANCE = 1e-9


@dataclass(frozen=True, slots=True)
class CompareArguments:
    """The options of `vis-bench compare` as given."""

    names: tuple[str, ...]
    metric: str
    records: tuple[Path, ...]
    dataset: str | None
    split: str | None
    protocol: str | None
    margin: float
    all_pairs: bool
    json: str | None
    jobs: int
    data_root: Path | None


def compare_command(arguments: CompareArguments) -> None:
    """Compare methods over shared seeds and videos. Errors as `choose`, and DataError for what is missing."""
    column = _column(arguments.metric)
    if not 0 <= arguments.margin < float("inf"):
        raise UsageError(f"--margin {arguments.margin}: a number of points, 0 or more, is needed.")
    chosen = _choose(arguments)
    seeds = sorted(set.intersection(*(set(one.folders) for one in chosen)))
    if not seeds:
        each = "; ".join(f"{one.label}: {_list(sorted(one.folders))}" for one in chosen)
        raise DataError(f"The methods share no seed ({each}). Run them with the same --seeds.")
    first = chosen[0].row.done[0]
    dataset = _open(first, arguments)
    require_target(arguments.json)
    notes = _seed_notes(chosen, seeds)
    path = column.path[1:]
    runs = [
        [_measure(one.folders[seed], dataset, column, first, arguments.jobs) for seed in seeds]
        for one in chosen
    ]
    resamples = resample_videos(runs[0][0], path)
    scores = [score_runs(one.label, found, path, resamples) for one, found in zip(chosen, runs, strict=True)]
    for one, found in zip(chosen, scores, strict=True):
        notes += _audit(one, seeds, found, column)
    kept = defined_everywhere(scores)
    study = Study(
        metric=column.name,
        dataset=dataset.name,
        split=dataset.split,
        protocol=str(first["protocol"]),
        iou_type=str(first["iou_type"]),
        videos=len(dataset.videos),
        seeds=tuple(seeds),
        margin=arguments.margin,
        resamples_drawn=resamples.drawn,
        resamples_lost=resamples.lost,
        resamples_used=int(kept.sum()),
        class_set_fixed=resamples.class_set_fixed,
        methods=tuple(scores),
        intervals=tuple(mean_interval(one, kept) for one in scores),
        comparisons=compare_all(scores, arguments.margin, arguments.all_pairs),
        notes=tuple(notes),
    )
    if arguments.json == "-":
        sys.stdout.write(dump_json(_payload(study), indent=1) + "\n")
        return
    if arguments.json is not None:
        write_json(Path(arguments.json), _payload(study))
    typer.echo(comparison_text(study))


def _column(name: str) -> Column:
    """Raises UsageError for what cannot be scored again from predictions, or is not better when higher."""
    if name not in COLUMNS:
        raise UsageError(f"Unknown metric {name!r}.{did_you_mean(name, COMPARED_METRICS)}")
    if name not in COMPARED_METRICS:
        raise UsageError(
            f"--metric {name}: only metrics between 0 and 1 are compared, since the margin is in points, and "
            f"of these the ones that are better when higher: {', '.join(COMPARED_METRICS)}."
        )
    return COLUMNS[name]


def _choose(arguments: CompareArguments) -> list[Chosen]:
    stored = []
    if not all(is_path(name) for name in arguments.names):
        stored = read_stored(arguments.records)
        if not stored:
            places = ", ".join(map(str, arguments.records))
            raise DataError(f"no record.json under {places}. Name the folder of the runs with --records.")
    # a path says where the videos lie; only a name is part of a record's identity on every machine
    named = arguments.dataset if arguments.dataset in catalog.known_datasets() else None
    return choose(arguments.names, stored, installed_protocols(), named, arguments.split, arguments.protocol)


def _open(record: Record, arguments: CompareArguments) -> Dataset:
    """The videos that a record is about. Raises DataError where they are not what is found here."""
    name, split, data = arguments.dataset or str(record["dataset"]), str(record["split"]), record["data"]
    try:
        dataset = catalog.open_dataset(name, split, arguments.data_root)
    except VisBenchError as error:
        raise DataError(
            f"The truth of {record['dataset']} {split} is needed to score the predictions again: {error}"
        ) from error
    if dataset.split_hash != data["split_hash"] and data["videos"] < len(dataset.videos):
        # a run with --limit scored the first videos
        dataset = splits.first_videos(dataset, data["videos"])
    if (dataset.annotation_hash, dataset.split_hash) != (data["annotation_hash"], data["split_hash"]):
        raise DataError(
            f"{name} {split}: what is found here is not what the runs were scored on (annotation or split "
            "hash differs). Name the data of the runs with --dataset, or run the methods again."
        )
    return dataset


def _measure(folder: Path, dataset: Dataset, column: Column, record: Record, jobs: int) -> Statistics:
    path = folder / PREDICTIONS_NAME
    if not path.is_file():
        raise DataError(
            f"{path}: no predictions beside this record, and a record alone does not say how the number "
            "varies over videos. Copy the whole run directory, or run the method again."
        )
    iou_type = record["iou_type"]
    tracks = read_results(path, dataset, iou_type=iou_type)
    return measure(dataset, tracks, [_PARTS[column.path[1]]], iou_type, jobs)


def _list(seeds: Sequence[int]) -> str:
    return ", ".join(map(str, seeds)) or "none"


def _seed_notes(chosen: Sequence[Chosen], seeds: Sequence[int]) -> list[str]:
    return [
        f"{one.label} also has seed {_list(left_out)}, which the others lack; left out."
        for one in chosen
        if (left_out := sorted(set(one.folders) - set(seeds)))
    ]


def _audit(one: Chosen, seeds: Sequence[int], scores: Scores, column: Column) -> list[str]:
    """A sentence where the number in a record is not the one that its predictions give."""
    recorded = {record["seed"]: read_value(record, column) for record in one.row.done}
    return [
        f"{one.label} seed {seed}: the record says {100 * value:.2f}, its predictions give {found:.2f}; the "
        "record was scored by another version."
        for seed, found in zip(seeds, scores.values, strict=True)
        if (value := recorded[seed]) is not None and abs(value - found / 100) > _TOLERANCE
    ]


def _payload(study: Study) -> dict[str, Any]:
    """The study as JSON: points, 100 times the fraction."""
    head = {
        field: getattr(study, field)
        for field in Study.__dataclass_fields__
        if field not in ("methods", "intervals", "comparisons")
    }
    return {
        **head,
        "methods": [
            {
                "name": one.name,
                "mean": mean,
                "low": low,
                "high": high,
                "by_seed": dict(zip(map(str, study.seeds), one.values.tolist(), strict=True)),
            }
            for one, (mean, low, high) in zip(study.methods, study.intervals, strict=True)
        ],
        "comparisons": [_comparison(comparison) for comparison in map(asdict, study.comparisons)],
    }


def _comparison(values: dict[str, Any]) -> dict[str, Any]:
    difference = values.pop("difference")
    difference["p_unadjusted"] = difference.pop("p")
    return values | difference
