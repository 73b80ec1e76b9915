"""Tiers 1 and 2: the same files must give the same numbers, to the last digit that means anything."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from vis_bench.data.frame_predictions import FRAMES_NAME, read_frames
from vis_bench.data.predictions import read_results
from vis_bench.errors import UsageError
from vis_bench.gate.baseline import StoredRun
from vis_bench.gate.verdict import Check
from vis_bench.records.run import PREDICTIONS_NAME, Record
from vis_bench.scoring.evaluate import evaluate
from vis_bench.scoring.operating_point import OperatingPoint, recorded
from vis_bench.scoring.reassociate import Rule, reassociate
from vis_bench.setup.config import choose_config, override
from vis_bench.setup.plugins import load_spec
from vis_bench.setup.protocol import load_protocol, protocol_names
from vis_bench.types import Dataset, Track

TOLERANCE = 1e-9


def rescore(run: StoredRun, data_root: Path | None = None) -> Check:
    """Tier 1: score the stored predictions; every number of the record must come out again."""
    dataset = run.open(data_root)
    tracks = read_results(run.folder / PREDICTIONS_NAME, dataset, iou_type=run.record.iou_type)
    metrics = evaluate(dataset, tracks, iou_type=run.record.iou_type, at=_chosen_elsewhere(run, dataset))
    changes = tuple(metric_changes(run.record.metrics or {}, metrics))
    if changes:
        return Check(1, run.name, "fail", f"{len(changes)} numbers changed", changes)
    text = f"{len(tracks)} tracks of {len(dataset.videos)} videos, every number as recorded"
    return Check(1, run.name, "pass", text)


def reassociate_again(run: StoredRun, data_root: Path | None = None, rule: Rule | None = None) -> Check:
    """Tier 2: associate the stored detections; tracks and numbers must be those of the run.

    rule: None for the method's own, in today's configuration of the record's name.
    """
    dataset = run.open(data_root)
    frames = read_frames(run.folder / FRAMES_NAME, dataset)
    tracks = reassociate(rule or recorded_rule(run.record), frames, dataset)
    metrics = evaluate(dataset, tracks, iou_type=run.record.iou_type, at=_chosen_elsewhere(run, dataset))
    stored = read_results(run.folder / PREDICTIONS_NAME, dataset, iou_type=run.record.iou_type)
    changes = (*track_changes(stored, tracks), *metric_changes(run.record.metrics or {}, metrics))
    if changes:
        text = f"the association rule gives other tracks ({len(stored)} before, {len(tracks)} now)"
        return Check(2, run.name, "fail", text, changes)
    return Check(2, run.name, "pass", f"{len(tracks)} tracks, all as recorded")


def _chosen_elsewhere(run: StoredRun, dataset: Dataset) -> OperatingPoint | None:
    """The recorded operating point where other videos chose it; these choose again by themselves."""
    found = recorded(run.record.model_dump(mode="json"), dataset)
    return found if found is not None and found.source == "val" else None


def recorded_rule(record: Record) -> Rule:
    """The rule of the record's method in today's configuration of that name, with the record's overrides.

    Raises UsageError when the method is not installed or has no such configuration.
    """
    spec = load_spec(record.method)
    protocol = load_protocol(record.protocol) if record.protocol in protocol_names() else None
    name, config = choose_config(spec, record.config, record.config)
    if protocol is not None:
        config = override(config, protocol.overrides, skip_unknown=True)
    return Rule(f"{record.method}@{name}", spec, override(config, record.overrides))


def metric_changes(before: Mapping[str, Any], after: Mapping[str, Any], where: str = "") -> Iterator[str]:
    """Numbers of `before` that are not in `after`, or differ by more than 1e-9. New numbers are no change."""
    for key, old in before.items():
        name = f"{where}.{key}" if where else key
        new = after.get(key)
        if isinstance(old, Mapping):
            yield from metric_changes(old, new if isinstance(new, Mapping) else {}, name)
        elif (old is None) != (new is None) or key not in after:
            yield f"{name}: {_shown(old)} -> {_shown(new) if key in after else 'missing'}"
        elif old is not None and _differ(old, new):
            yield f"{name}: {_shown(old)} -> {_shown(new)}"


def track_changes(before: Sequence[Track], after: Sequence[Track]) -> Iterator[str]:
    """Videos whose tracks are not the same, in the same order: masks and classes exactly, scores to 1e-9."""
    videos = dict.fromkeys(track.video_id for track in (*before, *after))
    for video in videos:
        old = [track for track in before if track.video_id == video]
        new = [track for track in after if track.video_id == video]
        if len(old) != len(new):
            yield f"video {video}: {len(old)} tracks -> {len(new)} tracks"
            continue
        changed = sum(not _same_track(a, b) for a, b in zip(old, new, strict=True))
        if changed:
            yield f"video {video}: {changed} of {len(old)} tracks differ"


def _same_track(a: Track, b: Track) -> bool:
    return (
        a.category_id == b.category_id
        and abs(a.score - b.score) <= TOLERANCE
        and [mask and mask["counts"] for mask in a.segmentations]
        == [mask and mask["counts"] for mask in b.segmentations]
    )


def _differ(old: Any, new: Any) -> bool:
    """Numbers by more than the tolerance, anything else (what the operating point says of itself) at all."""
    both = isinstance(old, int | float) and isinstance(new, int | float)
    return abs(old - new) > TOLERANCE if both else old != new


def _shown(value: Any) -> str:
    return "undefined" if value is None else f"{value:.9g}" if isinstance(value, int | float) else str(value)


def require_frames_of(run: StoredRun) -> None:
    """Raise UsageError when tier 2 is asked of a run without stored detections."""
    if not (run.folder / FRAMES_NAME).is_file():
        raise UsageError(
            f"{run.folder}: tier 2 needs {FRAMES_NAME}. Run with --keep-frames and make the baseline again."
        )
