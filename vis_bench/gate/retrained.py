"""Tier 3: has a change made a trained method worse? New runs against the baseline, by seed and video."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from vis_bench import stats, study
from vis_bench.config import config_hash
from vis_bench.data.predictions import read_results
from vis_bench.errors import UsageError
from vis_bench.evaluate import Statistics, measure
from vis_bench.gate.baseline import StoredRun, open_recorded
from vis_bench.gate.verdict import Check, Status
from vis_bench.records import PREDICTIONS_NAME, Record, find_records, read_record
from vis_bench.report.columns import COLUMNS
from vis_bench.types import Dataset

_FAMILIES = {"video_ap": "ap", "frame_ap": "frame_ap", "mot": "mot", "hota": "hota"}


def check_margins(margins: Mapping[str, float]) -> None:
    """Raise UsageError for a metric that is no fraction (all of these are better when larger), or a margin
    that is not positive."""
    known = [name for name, column in COLUMNS.items() if column.unit == "fraction"]
    for name, margin in margins.items():
        if name not in known:
            raise UsageError(f"--margin {name}: no metric of the gate. Known: {', '.join(known)}.")
        if not margin > 0:
            raise UsageError(f"--margin {name}={margin:g}: a margin is a number of points above 0.")


def retrained(
    baseline: Sequence[StoredRun], runs: Path, margins: Mapping[str, float], data_root: Path | None = None
) -> list[Check]:
    """One check per configuration of the baseline and metric. margins: points by metric name."""
    check_margins(margins)
    # the baseline may lie below the folder
    old_files = {(run.folder / "record.json").resolve() for run in baseline}
    paths = [path for path in find_records([runs]) if path.resolve() not in old_files]
    new = [(path.parent, read_record(path)) for path in paths]
    groups: dict[str, list[StoredRun]] = {}
    for run in baseline:
        groups.setdefault(_kind(run.record), []).append(run)
    return [check for group in groups.values() for check in _compare(group, new, dict(margins), data_root)]


def decide(difference: stats.Difference, margin: float) -> tuple[Status, str]:
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
            "initial_weights": record.initial_weights,
        }
    )


def _compare(
    group: Sequence[StoredRun],
    new: Sequence[tuple[Path, Record]],
    margins: dict[str, float],
    data_root: Path | None,
) -> list[Check]:
    name = group[0].record.variant()
    kind = _kind(group[0].record)
    fitting = [(folder, record) for folder, record in new if _kind(record) == kind and record.metrics]
    pairs = []
    for old in group:
        partners = [(folder, r) for folder, r in fitting if r.seed == old.record.seed]
        if len(partners) > 1:
            text = f"{len(partners)} new runs of seed {old.record.seed}; either could be meant"
            return [Check(3, name, "inconclusive", text, tuple(str(folder) for folder, _ in partners))]
        pairs += [(old, *partner) for partner in partners]
    if not pairs:
        return [Check(3, name, "inconclusive", "no new run of the same protocol, data and seed")]
    dataset = group[0].open(data_root)
    ids = {video.id for video in dataset.videos}
    wanted = sorted({_FAMILIES[COLUMNS[metric].path[1]] for metric in margins})
    before, after = [], []
    for old, folder, record in pairs:
        whole = open_recorded(record.data, old.dataset, old.split, data_root)
        if old.open(data_root).split_hash != dataset.split_hash or not ids <= {v.id for v in whole.videos}:
            return [Check(3, name, "inconclusive", "the runs do not have the baseline's videos")]
        before.append(_statistics(old.folder, old.record, dataset, dataset, wanted))
        after.append(_statistics(folder, record, whole, dataset, wanted))
    return [_one_metric(name, metric, margin, before, after) for metric, margin in margins.items()]


def _statistics(
    folder: Path, record: Record, whole: Dataset, dataset: Dataset, wanted: Sequence[str]
) -> Statistics:
    """The run's predictions on the videos of `dataset`, which are some of those of `whole`."""
    tracks = read_results(folder / PREDICTIONS_NAME, whole, iou_type=record.iou_type)
    ids = {video.id for video in dataset.videos}
    kept = [track for track in tracks if track.video_id in ids]
    return measure(dataset, kept, wanted, record.iou_type)


def _one_metric(
    name: str, metric: str, margin: float, before: Sequence[Statistics], after: Sequence[Statistics]
) -> Check:
    path = COLUMNS[metric].path[1:]
    resamples = study.resample_videos(before[0], path)
    old = study.score_runs("baseline", before, path, resamples)
    new = study.score_runs("new", after, path, resamples)
    kept = study.defined_everywhere([new, old])
    videos = len(before[0].video_ids)
    difference = stats.paired_difference(
        new.values, old.values, new.draws[:, kept], old.draws[:, kept], videos
    )
    status, reason = decide(difference, margin)
    count = len(difference.seeds)
    text = (
        f"{metric} {old.values.mean():.2f} -> {new.values.mean():.2f}, difference {difference.mean:+.2f} "
        f"({difference.low:+.2f} to {difference.high:+.2f}), {count} seed{'s' if count > 1 else ''}, "
        f"{videos} videos: {reason}"
    )
    return Check(3, f"{name} {metric}", status, text)
