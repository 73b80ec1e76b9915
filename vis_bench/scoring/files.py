"""Predictions and truth as users have them (files, names of data sets, Python lists), scored and explained.

The functions behind `vis_bench.evaluate`, `vis_bench.explain` and the commands of these names. No torch.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from vis_bench.data.predictions import parse_results
from vis_bench.data.records import paused_garbage_collection
from vis_bench.data.ytvis import parse_dataset
from vis_bench.errors import DataError, UsageError
from vis_bench.files import dump_json, sha256, write_json
from vis_bench.integrations.formats.scored import open_truth_file, read_predictions_file
from vis_bench.metrics.prediction_facts import PredictionFacts, prediction_facts, prediction_warnings
from vis_bench.scoring.class_groups import ClassGroups, parse_class_groups
from vis_bench.scoring.evaluate import error_events, measure, score
from vis_bench.scoring.explain import explain_tracks
from vis_bench.scoring.metric_names import parse_metrics
from vis_bench.scoring.statistics import Statistics
from vis_bench.types import Dataset, IouType, Track

Predictions = str | Path | Sequence[Mapping[str, Any]]
"""A file or folder of any format (docs/formats.md), or the parsed content of a results file:
[{video_id, category_id, score, segmentations}, ...]."""
Truth = str | Path | Mapping[str, Any] | Dataset
"""A file or folder of any format, parsed {videos, categories, annotations}, or an opened data set."""


def nowhere(text: str) -> None:
    """Say nothing."""


# up to so many videos the processes take longer to start than they save
_FEW_VIDEOS = 50


@dataclass(frozen=True, slots=True)
class Evaluation:
    """numbers: what `evaluate` returns. predictions: what they look like. warnings: sentences about it."""

    numbers: dict[str, Any]
    statistics: Statistics
    dataset: Dataset
    predictions: PredictionFacts
    warnings: tuple[str, ...]
    iou_type: IouType


def evaluate(
    predictions: Predictions,
    truth: Truth | None = None,
    *,
    dataset: str | None = None,
    split: str | None = None,
    metrics: str | Sequence[str] | None = None,
    iou_type: str = "segm",
    ignore_unknown_categories: bool = False,
    class_groups: ClassGroups | None = None,
    count_crowds: bool = False,
    jobs: int | None = 1,
    data_root: str | Path | None = None,
    format: str | None = None,
) -> dict[str, Any]:
    """Score predictions; the dictionary that `vis-bench eval --json` writes.

    predictions: a file or folder of any format (docs/formats.md), or the content of a results file as a list;
    RLE counts may be text or bytes. format: what the predictions are, None to recognise it. truth: a file or
    folder, the content of an annotation file as a dictionary, or what `open_dataset` returns; instead of it
    dataset and split name a data set. metrics: names of metrics and groups (docs/metrics.md), a list or
    separated by commas; None for what records hold. iou_type: `segm` (masks) or `bbox`.
    ignore_unknown_categories: drop predictions of categories that the truth does not have. class_groups:
    lists of classes by the name of their group, or a JSON file with them; each gets its video AP.
    count_crowds: crowd truth has to be found by video AP, as in LV-VIS. jobs: processes that share the
    videos.

    Returns nested dictionaries: fractions 0..1 at full precision (MOTA may be negative), counts as ints,
    None where a number is undefined. Raises UsageError (exit code 2) for unknown names, DataError (3) for
    files that are missing or malformed and for a split without public truth.

    >>> square = {"size": [2, 2], "counts": "04"}
    >>> truth = {
    ...     "videos": [{"id": 1, "width": 2, "height": 2, "file_names": ["a/0.jpg"]}],
    ...     "categories": [{"id": 1, "name": "square"}],
    ...     "annotations": [{"id": 1, "video_id": 1, "category_id": 1, "segmentations": [square]}],
    ... }
    >>> found = [{"video_id": 1, "category_id": 1, "score": 0.9, "segmentations": [square]}]
    >>> round(evaluate(found, truth, metrics="video_ap")["video_ap"]["AP"], 6)
    1.0

    Source: docs/metrics.md (every formula with its public code).
    """
    return evaluation(
        predictions,
        truth,
        dataset=dataset,
        split=split,
        metrics=metrics,
        iou_type=iou_type,
        ignore_unknown_categories=ignore_unknown_categories,
        class_groups=class_groups,
        count_crowds=count_crowds,
        jobs=jobs,
        data_root=data_root,
        format=format,
    ).numbers


def evaluation(
    predictions: Predictions,
    truth: Truth | None = None,
    *,
    dataset: str | None = None,
    split: str | None = None,
    metrics: str | Sequence[str] | None = None,
    iou_type: str = "segm",
    ignore_unknown_categories: bool = False,
    class_groups: ClassGroups | None = None,
    count_crowds: bool = False,
    jobs: int | None = 1,
    data_root: str | Path | None = None,
    format: str | None = None,
    say: Callable[[str], object] = nowhere,
) -> Evaluation:
    """As `evaluate`, with all that a summary needs.

    say: is told what kind of file it is, if not YouTube-VIS.
    """
    chosen, kind = parse_metrics(metrics), parse_iou_type(iou_type)
    with paused_garbage_collection():
        opened = open_truth(truth, dataset, split, data_root, say)
        tracks = read_predictions(predictions, opened, kind, ignore_unknown_categories, format, say)
    groups = parse_class_groups(class_groups, opened)
    shared = default_jobs(len(opened.videos)) if jobs is None else jobs
    statistics = measure(
        opened,
        tracks,
        chosen,
        kind,
        shared,
        class_groups=groups,
        count_crowds=count_crowds,
        label="scoring",
    )
    facts = prediction_facts(opened, tracks)
    warnings = tuple(prediction_warnings(facts))
    return Evaluation(score(statistics), statistics, opened, facts, warnings, kind)


def explain(
    predictions: Predictions,
    truth: Truth | None = None,
    *,
    dataset: str | None = None,
    split: str | None = None,
    iou_type: str = "segm",
    events: str | Path | None = None,
    data_root: str | Path | None = None,
    format: str | None = None,
    say: Callable[[str], object] = nowhere,
) -> dict[str, Any]:
    """Say why predictions score what they score; the dictionary that `vis-bench explain --json` writes.

    Keys: oracles, best_masks, decomposition, errors, slices, costly_videos (docs/errors.md). events: a file
    (JSON) that every single error in time is written to. say: is told what kind of file it is, if not
    YouTube-VIS. Other arguments and errors as `evaluate`.

    >>> square = {"size": [2, 2], "counts": "04"}
    >>> truth = {
    ...     "videos": [{"id": 1, "width": 2, "height": 2, "file_names": ["a/0.jpg"]}],
    ...     "categories": [{"id": 1, "name": "square"}],
    ...     "annotations": [{"id": 1, "video_id": 1, "category_id": 1, "segmentations": [square]}],
    ... }
    >>> explain([], truth)["errors"]["missed"]
    1
    """
    kind = parse_iou_type(iou_type)
    opened = open_truth(truth, dataset, split, data_root, say)
    tracks = read_predictions(predictions, opened, kind, False, format, say)
    result = explain_tracks(opened, tracks, kind)
    if events is not None:
        found = error_events(opened, tracks, iou_type=kind)
        write_json(
            Path(events),
            [
                {
                    "kind": event.kind,
                    "video": event.video_id,
                    "frame": event.frame,
                    "objects": list(event.truth_ids),
                    "tracks": list(event.tracks),
                }
                for event in found
            ],
        )
    return result


def default_jobs(videos: int) -> int:
    """One process for every core that this one may use, where there are videos enough to share."""
    if videos <= _FEW_VIDEOS:
        return 1
    cores = getattr(os, "sched_getaffinity", None)
    return len(cores(0)) if cores else os.cpu_count() or 1


def parse_iou_type(text: str) -> IouType:
    """`segm` or `bbox`. Raises UsageError for anything else."""
    iou_types: dict[str, IouType] = {name: name for name in get_args(IouType)}
    if text not in iou_types:
        raise UsageError(f"--iou-type {text!r}: must be one of {', '.join(iou_types)}.")
    return iou_types[text]


def open_truth(
    truth: Truth | None,
    name: str | None,
    split: str | None,
    data_root: str | Path | None,
    say: Callable[[str], object] = nowhere,
) -> Dataset:
    """The truth given as such or as the name of a data set.

    Raises UsageError unless exactly one is given, DataError for bad files and for splits without truth.
    """
    opened = open_reference(truth, name, split, data_root, say)
    if opened.tracks is None and truth is not None:
        raise DataError(
            f"{opened.name}: has no `annotations` (the key is missing, or null), so nothing can be scored. "
            "Write `[]` where the videos show no object, or give the file that holds the truth."
        )
    if opened.tracks is None:
        raise DataError(
            f"{opened.name} split {opened.split!r} has no public truth, so nothing can be scored here. "
            "Score `--split devval` (held-out training videos), or give truth that you have: --truth FILE in "
            "place of --dataset."
        )
    return opened


def open_reference(
    truth: Truth | None,
    name: str | None,
    split: str | None,
    data_root: str | Path | None,
    say: Callable[[str], object] = nowhere,
) -> Dataset:
    """As `open_truth`, also of a split whose truth is hidden: its videos and classes are there."""
    if (truth is None) == (name is None):
        raise UsageError("Give the truth either as --truth FILE or as --dataset NAME [--split S].")
    if truth is not None:
        if split is not None:
            raise UsageError("--split goes with --dataset, not with --truth.")
        opened = _given_truth(truth, say)
    else:
        # only here: a truth file needs no catalogue, which takes time to load
        from vis_bench.data import catalog

        place = None if data_root is None else Path(data_root)
        opened = catalog.open_dataset(name or "", split or catalog.default_split(name or ""), place)
    return opened


def _given_truth(truth: Truth, say: Callable[[str], object]) -> Dataset:
    if isinstance(truth, Dataset):
        return truth
    if isinstance(truth, str | Path):
        return open_truth_file(Path(truth), say)
    try:
        text = dump_json(_with_text(truth))
    except (TypeError, ValueError) as error:
        raise DataError(f"truth: must be what an annotation file holds ({error}).") from None
    return parse_dataset(truth, "truth", None, "truth", "truth", sha256(text.encode()))


def _with_text(value: Any) -> Any:
    """Parsed JSON as it is, with the counts of masks as text where they are bytes."""
    if isinstance(value, Mapping):
        return {key: _with_text(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_with_text(entry) for entry in value]
    return value.decode("ascii", "replace") if isinstance(value, bytes) else value


def read_predictions(
    predictions: Predictions,
    dataset: Dataset,
    iou_type: IouType,
    ignore_unknown_categories: bool = False,
    format: str | None = None,
    say: Callable[[str], object] = nowhere,
) -> list[Track]:
    """The tracks of a file or of the parsed content of a results file, in order. Raises DataError."""
    if isinstance(predictions, str | Path):
        return read_predictions_file(
            Path(predictions), dataset, ignore_unknown_categories, iou_type, format, say
        )
    listed = list(predictions) if isinstance(predictions, tuple) else predictions
    return parse_results(listed, dataset, "predictions", ignore_unknown_categories, iou_type)
