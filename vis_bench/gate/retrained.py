"""Tier 3: has a change made a trained method worse? New runs against the baseline, by seed and video."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vis_bench.data.bar import bar
from vis_bench.data.predictions import read_results
from vis_bench.errors import UsageError
from vis_bench.gate.baseline import StoredRun, open_recorded
from vis_bench.gate.verdict import Check, Status
from vis_bench.records.columns import (
    COMPARED_METRICS,
    Column,
    compared_column,
    reads_operating_point,
    scored_part,
)
from vis_bench.records.operating_point import NO_VERDICT, SAME_VIDEOS, point_notes, shared_columns, source_of
from vis_bench.records.run import PREDICTIONS_NAME, DataIdentity, Record, find_records, read_record
from vis_bench.scoring.evaluate import measure
from vis_bench.scoring.operating_point import recorded
from vis_bench.scoring.statistics import Statistics
from vis_bench.setup.config import config_hash
from vis_bench.study import comparison as study
from vis_bench.study import intervals
from vis_bench.types import Dataset

# a baseline run, and the folder and record of the new run of its seed
_Pair = tuple[StoredRun, Path, Record]


def check_margins(margins: Mapping[str, float]) -> None:
    """Raise UsageError for a metric that is no fraction or not better when higher, or a margin that is not
    positive."""
    for name, margin in margins.items():
        if name not in COMPARED_METRICS:
            raise UsageError(f"--margin {name}: no metric of the gate. Known: {', '.join(COMPARED_METRICS)}.")
        if not margin > 0:
            raise UsageError(f"--margin {name}={margin:g}: a margin is a number of points above 0.")


def retrained(
    baseline: Sequence[StoredRun],
    runs: Path,
    margins: Mapping[str, float],
    data_root: Path | None = None,
    threshold: str | None = None,
) -> list[Check]:
    """One check per configuration of the baseline and metric, and one for seeds without a new run that can be
    compared. margins: points by metric name. threshold: score of the tracks in metrics that need one, None
    for the operating point in each record.
    """
    check_margins(margins)
    asked = {compared_column(metric, threshold): margin for metric, margin in margins.items()}
    # the baseline may lie below the folder
    old_files = {(run.folder / "record.json").resolve() for run in baseline}
    paths = [path for path in find_records([runs]) if path.resolve() not in old_files]
    new = [(path.parent, read_record(path)) for path in paths]
    groups: dict[str, list[StoredRun]] = {}
    for run in baseline:
        groups.setdefault(_kind(run.record), []).append(run)
    return [check for group in groups.values() for check in _compare(group, new, asked, data_root)]


def decide(difference: intervals.Difference, margin: float) -> tuple[Status, str]:
    """The verdict on new minus old, and why.

    pass: the whole interval lies above -margin; fail: it lies below; else inconclusive. One seed decides
    nothing, unless nothing changed, since its interval knows nothing of the variation between trainings.
    """
    seeds = len(difference.seeds)
    if seeds == 1 and (difference.low, difference.high) != (0.0, 0.0):
        return "inconclusive", "one seed says nothing of the variation between trainings"
    if difference.low > -margin:
        return "pass", f"not worse by {margin:g} points or more"
    if difference.high < -margin:
        return "fail", f"worse by more than {margin:g} points"
    return "inconclusive", f"the interval holds -{margin:g}: run more seeds, or allow a larger margin"


def _kind(record: Record) -> str:
    """What has to agree, the seed and the videos aside."""
    return config_hash(
        {
            "method": (record.method, record.config, record.overrides, record.iou_type),
            "protocol": record.protocol_hash,
            "data": (record.data.name, record.data.split, record.data.annotation_hash),
            "trained on": [_hashes(data) for data in (record.train_data, record.extra_data)],
            "initial_weights": record.initial_weights,
        }
    )


def _hashes(data: DataIdentity | None) -> tuple[str, str] | None:
    return None if data is None else (data.annotation_hash, data.split_hash)


def _compare(
    group: Sequence[StoredRun],
    new: Sequence[tuple[Path, Record]],
    margins: Mapping[Column, float],
    data_root: Path | None,
) -> list[Check]:
    name = group[0].record.variant()
    kind = _kind(group[0].record)
    pairs, checks = _pair(name, group, [(folder, record) for folder, record in new if _kind(record) == kind])
    if not pairs:
        return checks
    dataset = group[0].open(data_root)
    ids = {video.id for video in dataset.videos}
    wanted = sorted(set(map(scored_part, margins)))
    before, after = [], []
    for old, folder, record in bar(pairs, f"scoring {name}", "run"):
        whole = open_recorded(record.data, old.dataset, old.split, data_root)
        if old.open(data_root).split_hash != dataset.split_hash or not ids <= {v.id for v in whole.videos}:
            return [*checks, Check(3, name, "inconclusive", "the runs do not have the baseline's videos")]
        before.append(_statistics(old.folder, old.record, dataset, dataset, wanted))
        after.append(_statistics(folder, record, whole, dataset, wanted))
    records = [one.model_dump(mode="json") for old, _, record in pairs for one in (old.record, record)]
    return checks + [
        _one_metric(name, column, margin, before, after, records) for column, margin in margins.items()
    ]


def _pair(
    name: str, group: Sequence[StoredRun], new: Sequence[tuple[Path, Record]]
) -> tuple[list[_Pair], list[Check]]:
    """Baseline and new runs of equal seed, and a check where a seed of the baseline has no new one."""
    pairs: list[_Pair] = []
    checks: list[Check] = []
    missing: list[str] = []
    for old in group:
        seed = old.record.seed
        of_seed = [(folder, record) for folder, record in new if record.seed == seed]
        scored = [(folder, record) for folder, record in of_seed if record.metrics]
        failed = [(folder, record) for folder, record in of_seed if record.status == "failed"]
        if len(scored) > 1:
            text = f"{len(scored)} new runs of seed {seed}; either could be meant"
            return [], [Check(3, name, "inconclusive", text, tuple(str(folder) for folder, _ in scored))]
        if scored:
            pairs.append((old, *scored[0]))
        elif failed:
            text = f"the new run of seed {seed} failed: {failed[0][1].error}"
            checks.append(Check(3, name, "fail", text, tuple(str(folder) for folder, _ in failed)))
        else:
            missing.append(str(seed))
    if missing:
        text = (
            f"no new run of the same protocol, data, training data and starting weights for seed "
            f"{', '.join(missing)} of the baseline"
        )
        checks.append(Check(3, name, "inconclusive", text))
    return pairs, checks


def _statistics(
    folder: Path, record: Record, whole: Dataset, dataset: Dataset, wanted: Sequence[str]
) -> Statistics:
    """The run's predictions on the videos of `dataset`, which are some of those of `whole`."""
    tracks = read_results(folder / PREDICTIONS_NAME, whole, iou_type=record.iou_type)
    ids = {video.id for video in dataset.videos}
    kept = [track for track in tracks if track.video_id in ids]
    return measure(dataset, kept, wanted, record.iou_type, at=recorded(record.model_dump(mode="json"), whole))


def _one_metric(
    name: str,
    asked: Column,
    margin: float,
    before: Sequence[Statistics],
    after: Sequence[Statistics],
    records: Sequence[Mapping[str, Any]],
) -> Check:
    metric, (column,) = asked.name, shared_columns([asked], records)
    path = column.path[1:]
    resamples = study.resample_videos(before[0], path)
    old = study.score_runs("baseline", before, path, resamples)
    new = study.score_runs("new", after, path, resamples)
    kept = study.defined_everywhere([new, old])
    videos = len(before[0].video_ids)
    difference = intervals.paired_difference(
        new.values, old.values, new.draws[:, kept], old.draws[:, kept], videos
    )
    status, reason = decide(difference, margin)
    if study.hides_videos(new, old, kept):
        status, reason = "inconclusive", "too few videos hold a category to tell how the difference varies"
    if reads_operating_point(column) and SAME_VIDEOS in map(source_of, records):
        status, reason = "inconclusive", NO_VERDICT
    count = len(difference.seeds)
    notes = "".join(f" {note}" for note in point_notes([asked], [(name, records)]))
    text = (
        f"{metric} {old.values.mean():.2f} -> {new.values.mean():.2f}, difference {difference.mean:+.2f} "
        f"({difference.low:+.2f} to {difference.high:+.2f}), {count} seed{'s' if count > 1 else ''}, "
        f"{videos} videos: {reason}{'.' if notes else ''}{notes}"
    )
    return Check(3, f"{name} {metric}", status, text)
