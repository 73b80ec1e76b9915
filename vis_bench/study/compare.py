"""Which method is better: stored predictions, scored again under resampled videos. No torch.

The functions behind `vis_bench.compare` and `vis-bench compare`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from vis_bench.data import catalog, splits
from vis_bench.data.bar import bar
from vis_bench.data.predictions import read_results
from vis_bench.data.remembered_truth import open_told_truth
from vis_bench.errors import DataError, UsageError
from vis_bench.records.choose import Chosen, choose, is_path, read_stored
from vis_bench.records.columns import (
    Column,
    Record,
    compared_column,
    parse_threshold,
    read_value,
    reads_operating_point,
    scored_part,
)
from vis_bench.records.operating_point import (
    NO_VERDICT,
    SAME_VIDEOS,
    point_notes,
    scored_above,
    shared_columns,
    source_of,
)
from vis_bench.records.protocols import known_protocols
from vis_bench.records.run import PREDICTIONS_NAME
from vis_bench.scoring.evaluate import measure
from vis_bench.scoring.operating_point import recorded
from vis_bench.scoring.statistics import Statistics
from vis_bench.study.comparison import (
    Scores,
    Study,
    compare_all,
    defined_everywhere,
    mean_interval,
    nothing_found,
    resample_videos,
    score_runs,
    span_of,
)
from vis_bench.study.of_files import is_file_of_predictions, study_of_files
from vis_bench.types import Dataset


def _nowhere(text: str) -> None:
    """Say nothing."""


# re-scoring is exact; a record that is further off was scored by other code
_TOLERANCE = 1e-9


def compare(
    names: Sequence[str],
    *,
    metric: str = "AP",
    records: str | Path | Sequence[str | Path] = "runs",
    dataset: str | None = None,
    split: str | None = None,
    protocol: str | None = None,
    margin: float = 0.5,
    all_pairs: bool = False,
    jobs: int = 1,
    data_root: str | Path | None = None,
    threshold: str | float | None = None,
    truth: str | Path | None = None,
    iou_type: str = "segm",
) -> dict[str, Any]:
    """Compare methods over shared seeds and videos; the dictionary that `vis-bench compare --json` writes.

    names: methods as tables name them (`stc`, `inspro@A`), or run directories; at least two. metric: a column
    of tables that is better when higher (AP, AP50, fAP, IDF1, HOTA, ...). records: folder or folders in which
    names are looked for. dataset: which data set, or where the videos of runs on a path are. split, protocol:
    which ones, where there are several. margin: points within which methods count as equivalent. all_pairs:
    every pair instead of the first with each other one. jobs: processes that share the videos. threshold:
    score above which tracks count in IDF1, MOTA, HOTA and their kin (0, 0.1, 0.3 or 0.5), None for the
    operating point in each run's record. truth: names are files of predictions (of any format) about this
    truth; dataset and split name it as well. iou_type: what such files are scored on.

    Numbers are in points, 100 times the fraction; the interval of a method is cut at the ends of its
    range. Raises UsageError (exit code 2) for unknown names, DataError (3) for missing or damaged files,
    NotComparableError (5) where data or protocol differ.

    >>> compare(["stc", "inspro"], margin=-1)
    Traceback (most recent call last):
        ...
    vis_bench.errors.UsageError: --margin -1: a number of points, 0 or more, is needed.

    Source: docs/studies.md.
    """
    found = study(
        names,
        metric=metric,
        records=records,
        dataset=dataset,
        split=split,
        protocol=protocol,
        margin=margin,
        all_pairs=all_pairs,
        jobs=jobs,
        data_root=data_root,
        threshold=threshold,
        truth=truth,
        iou_type=iou_type,
    )
    return as_json(found)


def study(
    names: Sequence[str],
    *,
    metric: str = "AP",
    records: str | Path | Sequence[str | Path] = "runs",
    dataset: str | None = None,
    split: str | None = None,
    protocol: str | None = None,
    margin: float = 0.5,
    all_pairs: bool = False,
    jobs: int = 1,
    data_root: str | Path | None = None,
    threshold: str | float | None = None,
    truth: str | Path | None = None,
    iou_type: str = "segm",
    say: Callable[[str], object] = _nowhere,
) -> Study:
    """As `compare`, as the object that texts are made of. say: is told what kind of file each is."""
    asked = compared_column(metric, parse_threshold(threshold))
    if not 0 <= margin < float("inf"):
        raise UsageError(f"--margin {margin}: a number of points, 0 or more, is needed.")
    places = [records] if isinstance(records, str | Path) else records
    if truth is not None or (dataset is not None and all(map(is_file_of_predictions, names))):
        return study_of_files(
            names, asked, truth, dataset, split, margin, all_pairs, iou_type, jobs, data_root, say
        )
    chosen = _choose(names, [Path(place) for place in places], dataset, split, protocol)
    seeds = _shared_seeds(chosen)
    if not seeds:
        each = "; ".join(f"{one.label}: {_list(sorted(one.folders))}" for one in chosen)
        raise DataError(f"The methods share no seed ({each}). Run them with the same --seeds.")
    # a run of our own says under which protocol, where there is one
    first = min(chosen, key=lambda one: one.row.foreign).row.done[0]
    folders = [folder for one in chosen for folder in one.folders.values()]
    opened = _open(first, dataset, folders, None if data_root is None else Path(data_root))
    used = [_of_seeds(one, seeds) for one in chosen]
    (column,) = shared_columns([asked], [record for records in used for record in records])
    notes = [*_seed_notes(chosen, seeds), *_fixed_notes(chosen)]
    notes += point_notes([asked], [(one.label, records) for one, records in zip(chosen, used, strict=True)])
    same_videos = reads_operating_point(column) and any(
        source_of(record) == SAME_VIDEOS for records in used for record in records
    )
    path = column.path[1:]
    pairs = [
        (one.folder(seed), record)
        for one, records in zip(chosen, used, strict=True)
        for seed, record in zip(seeds, records, strict=True)
    ]
    measured = [
        _measure(folder, opened, column, record, jobs) for folder, record in bar(pairs, "scoring", "run")
    ]
    runs = [measured[start : start + len(seeds)] for start in range(0, len(measured), len(seeds))]
    resamples = resample_videos(runs[0][0], path)
    scores = [
        score_runs(one.label, found, path, resamples)
        for one, found in bar(list(zip(chosen, runs, strict=True)), "resampling videos", "method")
    ]
    for one, found in zip(chosen, scores, strict=True):
        notes += _audit(one, seeds, found, column)
    kept = defined_everywhere(scores)
    no_verdict = NO_VERDICT if same_videos else nothing_found(scores, margin)
    return Study(
        metric=column.name,
        dataset=opened.name,
        split=opened.split,
        protocol=str(first["protocol"]),
        iou_type=str(first["iou_type"]),
        videos=len(opened.videos),
        seeds=tuple(seeds),
        margin=margin,
        resamples_drawn=resamples.drawn,
        resamples_lost=resamples.lost,
        resamples_used=int(kept.sum()),
        class_set_fixed=resamples.class_set_fixed,
        methods=tuple(scores),
        intervals=tuple(mean_interval(one, kept, column) for one in scores),
        comparisons=compare_all(scores, margin, all_pairs, withheld=bool(no_verdict), span=span_of(column)),
        notes=tuple(notes),
        scored_above=scored_above([column]),
        no_verdict=no_verdict,
    )


def _of_seeds(one: Chosen, seeds: Sequence[int]) -> list[Record]:
    """The records behind the folders of these seeds, in order; a fixed checkpoint stands beside each."""
    if one.fixed:
        return [one.row.done[0]] * len(seeds)
    by_seed = {record["seed"]: record for record in one.row.done}
    return [by_seed[seed] for seed in seeds]


def _choose(
    names: Sequence[str],
    places: Sequence[Path],
    dataset: str | None,
    split: str | None,
    protocol: str | None,
) -> list[Chosen]:
    stored = []
    if not all(is_path(name) for name in names):
        stored = read_stored(places)
        if not stored:
            raise DataError(
                f"no record.json under {', '.join(map(str, places))}. Name the folder of the runs with "
                "--records."
            )
    # a path says where the videos lie; only a name is part of a record's identity on every machine
    named = dataset if dataset in catalog.known_datasets() else None
    protocols = known_protocols(one.folder for one in stored)
    return choose(names, stored, protocols, named, split, protocol)


def _open(record: Record, place: str | None, folders: Sequence[Path], data_root: Path | None) -> Dataset:
    """The videos that a record is about. Raises DataError where they are not what is found here.

    folders: of all compared runs, which are about the same videos.
    """
    name, split, data = str(record["dataset"]), str(record["split"]), record["data"]
    # the name of the record says which runs are meant, and not where their videos lie
    told = None if place == name else place
    dataset = open_told_truth(
        name, split, data["annotation_hash"], told=told, folders=folders, data_root=data_root
    )
    if dataset.split_hash != data["split_hash"] and data["videos"] < len(dataset.videos):
        # a run with --limit scored the first videos
        dataset = splits.first_videos(dataset, data["videos"])
    if (dataset.annotation_hash, dataset.split_hash) != (data["annotation_hash"], data["split_hash"]):
        raise DataError(
            f"{place or name} {split}: what is found here is not what the runs were scored on (annotation or "
            "split hash differs). Name the data of the runs with --dataset, or run the methods again."
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
    at = recorded(record, dataset) if reads_operating_point(column) else None
    return measure(dataset, tracks, [scored_part(column)], iou_type, jobs, at)


def _list(seeds: Sequence[int]) -> str:
    return ", ".join(map(str, seeds)) or "none"


def _seed_notes(chosen: Sequence[Chosen], seeds: Sequence[int]) -> list[str]:
    return [
        f"{one.label} also has seed {_list(left_out)}, which the others lack; left out."
        for one in chosen
        if not one.fixed and (left_out := sorted(set(one.folders) - set(seeds)))
    ]


def _shared_seeds(chosen: Sequence[Chosen]) -> list[int]:
    """The seeds that all have; fixed checkpoints stand beside every seed of the others."""
    several = [set(one.folders) for one in chosen if not one.fixed]
    return sorted(set.intersection(*several)) if several else sorted(chosen[0].folders)


def _fixed_notes(chosen: Sequence[Chosen]) -> list[str]:
    return [
        f"{one.label} {_whose(one)}: its protocol and training are not known; "
        + (
            "it is one fixed checkpoint, no claim on its training."
            if one.fixed
            else "its seeds are as named."
        )
        for one in chosen
        if one.row.foreign
    ]


def _whose(one: Chosen) -> str:
    return "is foreign code" if one.row.records[0].get("foreign_code") else "was made elsewhere"


def _audit(one: Chosen, seeds: Sequence[int], scores: Scores, column: Column) -> list[str]:
    """A sentence where the number in a record is not the one that its predictions give."""
    recorded = {record["seed"]: read_value(record, column) for record in one.row.done}
    if one.fixed:
        recorded = dict.fromkeys(seeds, next(iter(recorded.values())))
    return [
        f"{one.label} seed {seed}: the record says {100 * value:.2f}, its predictions give {found:.2f}; the "
        "record was scored by another version."
        for seed, found in zip(seeds, scores.values, strict=True)
        if (value := recorded[seed]) is not None and abs(value - found / 100) > _TOLERANCE
    ]


def as_json(study: Study) -> dict[str, Any]:
    """The study as JSON: points, 100 times the fraction."""
    head = {
        field: getattr(study, field)
        for field in Study.__dataclass_fields__
        if field not in ("methods", "intervals", "comparisons")
    }
    found = {
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
    return {key: _with_lists(value) for key, value in found.items()}


def _with_lists(value: Any) -> Any:
    """The value as it is read back from JSON, which has no tuples."""
    if isinstance(value, dict):
        return {key: _with_lists(inner) for key, inner in value.items()}
    return [_with_lists(inner) for inner in value] if isinstance(value, list | tuple) else value


def _comparison(values: dict[str, Any]) -> dict[str, Any]:
    difference = values.pop("difference")
    difference["p_unadjusted"] = difference.pop("p")
    return values | difference
