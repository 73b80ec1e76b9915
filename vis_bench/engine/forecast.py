"""What a sweep will take and what it can find, from the records of earlier runs (`run --dry-run`)."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from statistics import fmean

import numpy as np

from vis_bench.data.predictions import read_results
from vis_bench.engine.image_stage import stages_of
from vis_bench.engine.opened_data import OpenedData, identity
from vis_bench.engine.plan import RunSpec
from vis_bench.records.run import CHECKPOINT_NAME, PREDICTIONS_NAME, Record, find_records, read_record
from vis_bench.scoring.evaluate import measure
from vis_bench.setup.plugins import load_spec
from vis_bench.study.comparison import Scores, defined_everywhere, detectable, resample_videos, score_runs
from vis_bench.study.intervals import Difference, paired_difference

BYTES_PER_WEIGHT = 4
_MOST_SEEDS = 5
_AP = ("video_ap", "AP")

Earlier = Sequence[tuple[Record, Path]]


@dataclass(frozen=True, slots=True)
class Cost:
    """Expected wall seconds and bytes on disk of the runs that are still to do.

    unknown: `method@configuration` of those without an earlier run under their protocol; not counted, known:
    how many are. stages: keys of the image stages whose seconds are in it.
    """

    known: int
    seconds: float
    disk_bytes: int
    unknown: tuple[str, ...]
    stages: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Detectable:
    """points: smallest true difference in AP that is found with 80 % probability by so many seeds and videos.

    Estimated from the shared seeds of two earlier methods.
    """

    points: float
    seeds: int
    videos: int
    methods: tuple[str, str]
    earlier_seeds: tuple[int, ...]


def earlier_records(out: Path) -> list[tuple[Record, Path]]:
    """Records of runs that ended well below a folder, with the directory of each."""
    if not out.is_dir():
        return []
    found = [(read_record(path), path.parent) for path in find_records([out])]
    return [(record, folder) for record, folder in found if record.status in ("done", "not scored")]


def expected_cost(runs: Sequence[RunSpec], data: OpenedData, earlier: Earlier, jobs: int) -> Cost:
    """Cost of the runs that are not cached, from the mean of earlier ones on the same kind of device.

    jobs: runs side by side. Tracking is counted by frame, training not at all where its weights are there.
    """
    waiting = [run for run in runs if run.finished_record() is None]
    frames = sum(video.length for video in data.evaluated.videos)
    names = {run.method: load_spec(run.method).info.name for run in waiting}
    seconds, size, unknown = [], 0.0, []
    for run in waiting:
        same = [(record, folder) for record, folder in earlier if _like(record, run, names[run.method])]
        trains = run.settings.train and not (run.train_dir / CHECKPOINT_NAME).exists()
        training = _mean(record.timing.train_seconds for record, _ in same) if trains else 0.0
        tracking = _mean(
            record.timing.track_seconds / record.timing.frames
            for record, _ in same
            if record.timing.track_seconds is not None and record.timing.frames
        )
        if training is None or tracking is None:
            unknown.append(run.label.rpartition(" seed ")[0])
            continue
        seconds.append(training + frames * tracking)
        if trains:
            size += BYTES_PER_WEIGHT * (_mean((r.parameters or {}).get("total") for r, _ in same) or 0.0)
        files = [folder / PREDICTIONS_NAME for _, folder in same]
        size += _mean(path.stat().st_size for path in files if path.is_file()) or 0.0
    known = len(seconds)
    stages = _stage_seconds(waiting, earlier)
    seconds = [*stages.values(), *seconds]
    return Cost(
        known, _makespan(seconds, jobs), round(size), tuple(dict.fromkeys(unknown)), frozenset(stages)
    )


def _stage_seconds(waiting: Sequence[RunSpec], earlier: Earlier) -> dict[str, float]:
    """Seconds of the image stages that are still to be trained, by key, from earlier ones of their name and
    size."""
    known: dict[tuple[str, int], list[float]] = defaultdict(list)
    for record, _ in earlier:
        facts = record.image_stage
        if facts is not None and facts.seconds is not None:
            known[facts.name, facts.images].append(facts.seconds)
    wanted = {
        stage.key: (stage.part.name, stage.rules.iterations * stage.rules.images_per_step)
        for stage in stages_of(waiting).values()
        if not stage.checkpoint.exists()
    }
    return {key: fmean(known[one]) for key, one in wanted.items() if one in known}


def detectable_difference(runs: Sequence[RunSpec], data: OpenedData, earlier: Earlier) -> Detectable | None:
    """What a comparison of as many seeds as the runs have can find; None without two methods to learn from.

    Needs earlier runs of two methods with at least two shared seeds on the same videos under one version of
    the protocol, with their predictions, which are scored again. The pair with most methods that are to be
    run now is taken, and of these the one with most shared seeds.
    """
    wanted, protocol = identity(data.evaluated), runs[0].settings.protocol.name
    seeds = len({run.seed for run in runs})
    planned = {f"{load_spec(run.method).info.name}@{run.config_name}" for run in runs}
    found: dict[tuple[str, str], dict[int, Path]] = defaultdict(dict)
    for record, folder in earlier:
        same = (record.data, record.protocol, record.iou_type) == (wanted, protocol, "segm")
        if same and record.status == "done" and (folder / PREDICTIONS_NAME).is_file():
            values = f" {json.dumps(record.overrides, sort_keys=True)}" if record.overrides else ""
            label = f"{record.variant()}{values}"
            found[record.protocol_hash, label].setdefault(record.seed, folder)
    versions = [pair for pair in combinations(found, 2) if pair[0][0] == pair[1][0]]
    pairs = [(a, b, sorted(set(found[a]) & set(found[b]))) for a, b in versions]
    pairs = [pair for pair in pairs if len(pair[2]) >= 2]
    if not pairs or len(data.evaluated.videos) < 2:
        return None
    a, b, shared = max(pairs, key=lambda p: (len({p[0][1], p[1][1]} & planned), len(p[2])))
    used = shared[:_MOST_SEEDS]
    points = _detectable(found[a], found[b], used, seeds, data)
    return Detectable(points, seeds, len(data.evaluated.videos), (a[1], b[1]), tuple(used))


def _detectable(
    a: Mapping[int, Path], b: Mapping[int, Path], used: Sequence[int], seeds: int, data: OpenedData
) -> float:
    dataset = data.evaluated
    runs = [
        [
            measure(dataset, read_results(place[seed] / PREDICTIONS_NAME, dataset), ["video_ap"])
            for seed in used
        ]
        for place in (a, b)
    ]
    resamples = resample_videos(runs[0][0], _AP)
    first, second = (score_runs("", one, _AP, resamples) for one in runs)
    kept = defined_everywhere([first, second])
    if seeds > 1:
        return detectable(_difference(first, second, kept, slice(None)), seeds)
    # one seed: the checkpoints are fixed, so each earlier seed is a study of its own
    alone = [_difference(first, second, kept, slice(k, k + 1)) for k in range(len(used))]
    return fmean(detectable(one, 1) for one in alone)


def _difference(a: Scores, b: Scores, kept: np.ndarray, part: slice) -> Difference:
    return paired_difference(
        a.values[part], b.values[part], a.draws[part][:, kept], b.draws[part][:, kept], len(a.videos)
    )


def _like(record: Record, run: RunSpec, name: str) -> bool:
    """Whether an earlier run says how long this one takes: one method, configuration, protocol, device.

    The protocol by name: another version of it takes about as long.
    """
    settings = run.settings
    return (record.method, record.config, record.protocol) == (
        name,
        run.config_name,
        settings.protocol.name,
    ) and str(record.hardware.get("device")).partition(":")[0] == settings.device.partition(":")[0]


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known else None


def _makespan(seconds: Sequence[float], jobs: int) -> float:
    """Wall time of runs that start in order as soon as one of `jobs` places is free."""
    free = [0.0] * max(1, jobs)
    for one in seconds:
        place = free.index(min(free))
        free[place] += one
    return max(free)
