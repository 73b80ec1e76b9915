"""Records from the results of processes: what was measured, and what a reader has to know about it."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import vis_bench
from vis_bench.engine.opened_data import identity
from vis_bench.engine.process.environment import git_state, package_versions
from vis_bench.engine.speed.audit import same_predictions
from vis_bench.engine.speed.gpu_notes import gpu_notes
from vis_bench.engine.speed.plan import SpeedPlan
from vis_bench.files import read_json
from vis_bench.records.speed import (
    CURVE_SUFFIX,
    FRAMES_MIN,
    P99_FRAMES_MIN,
    SUFFIX,
    Audit,
    CurveKind,
    CurvePoint,
    CurveRecord,
    Repeat,
    SpeedProtocol,
    SpeedRecord,
    Stages,
    write_speed,
)
from vis_bench.setup.config import to_dict
from vis_bench.types import Dataset

_BUSY_LOAD = 0.5
_QUEUE_MAX = 0.05


def _facts(plan: SpeedPlan, dataset: Dataset) -> dict[str, Any]:
    info, foreign = plan.spec.info, plan.spec.foreign
    return {
        "vis_bench_version": vis_bench.__version__,
        "method": info.name,
        "config": plan.config_name,
        "title": info.title,
        "online": info.online,
        "data": identity(dataset),
        "weights": plan.weights_text,
        "weights_hash": plan.weights_hash,
        "versions": package_versions(),
        "git": git_state(),
        "licence": info.licence,
        **({} if foreign is None else {"foreign": True, "foreign_code": foreign.code}),
    }


def assembled(
    plan: SpeedPlan,
    protocol: SpeedProtocol,
    dataset: Dataset,
    wrong: Mapping[str, Any] | None,
) -> SpeedRecord:
    """The record of one method and scenario, written beside its results. wrong: the result that failed."""
    if wrong is not None:
        record = SpeedRecord(
            **_speed_facts(plan, protocol, dataset),
            status="failed",
            error=wrong["error"],
            error_code=wrong.get("error_code"),
        )
    else:
        timed = [read_json(plan.timing(protocol, repeat)[1]) for repeat in range(protocol.repeats)]
        record = record_of(plan, protocol, dataset, timed, read_json(plan.inspection()[1]))
    write_speed(plan.directory / f"{protocol.scenario}{SUFFIX}", record)
    return record


def _speed_facts(plan: SpeedPlan, protocol: SpeedProtocol, dataset: Dataset) -> dict[str, Any]:
    return {
        **_facts(plan, dataset),
        "paradigm": plan.spec.info.paradigm,
        "config_values": to_dict(plan.config),
        "protocol": protocol,
        "protocol_hash": protocol.content_hash(),
    }


def record_of(
    plan: SpeedPlan,
    protocol: SpeedProtocol,
    dataset: Dataset,
    timed: Sequence[Mapping[str, Any]],
    seen: Mapping[str, Any] | None,
) -> SpeedRecord:
    """The record that the results of its processes make.

    timed: of each repeat, see `time_repeat`. seen: stages, audits and sizes; None where nobody looked, which
    the notes say.
    """
    repeats = tuple(Repeat.model_validate(result["repeat"]) for result in timed)
    looked: dict[str, Any] = {}
    if seen is not None:
        looked = {
            "stages": Stages.model_validate(seen["stages"]) if seen["stages"] else None,
            "audits": (
                same_predictions([result["digests"] for result in timed], seen["scored"]),
                Audit.model_validate(seen["repeated"]),
            ),
            "parameters": seen["parameters"],
            "macs_per_frame": seen.get("macs_per_frame"),
            "macs_frame": seen.get("macs_frame"),
            "macs_zero_operations": tuple(seen.get("macs_zero_operations", ())),
        }
    return SpeedRecord(
        **_speed_facts(plan, protocol, dataset),
        **looked,
        status="done",
        frames=min(result["frames"] for result in timed),
        videos=min(result["videos"] for result in timed),
        repeats=repeats,
        tracks_per_frame=timed[0]["tracks_per_frame"],
        hardware=timed[0]["hardware"],
        notes=tuple(_notes(plan, protocol, repeats, seen, timed)),
    )


def _notes(
    plan: SpeedPlan,
    protocol: SpeedProtocol,
    repeats: Sequence[Repeat],
    seen: Mapping[str, Any] | None,
    timed: Sequence[Mapping[str, Any]],
) -> list[str]:
    """What a reader has to know."""
    frames, videos = (min(result[name] for result in timed) for name in ("frames", "videos"))
    notes = [*_load_notes(timed), *_queue_notes(repeats), *gpu_notes(repeats)]
    if protocol.short and protocol.seconds is not None:
        notes.append(f"short: a repeat of {protocol.seconds:g} s, {frames} frames")
    elif protocol.short:
        notes.append(f"short: {frames} frames instead of at least {FRAMES_MIN}")
    if protocol.end_to_end_only:
        notes.append("end to end only: no pass for the model alone, none with decoding")
    if videos == 1:
        notes.append("one video only: no percentiles, they would say nothing about other videos")
    whole = not plan.spec.info.online and any(repeat.look_ahead_frames for repeat in repeats)
    if protocol.scenario == "stream" and whole and all(repeat.latency_ms is None for repeat in repeats):
        notes.append("returns whole tracks after the last frame: no latency per frame")
    if plan.weights is None:
        found = f"{timed[0]['tracks_per_frame']:.1f} objects put out per frame"
        notes.append(f"random weights: {found}; trained weights do other work for objects")
    if plan.spec.info.online and any(repeat.look_ahead_frames for repeat in repeats):
        ahead = max(repeat.look_ahead_frames for repeat in repeats)
        notes.append(f"declared online, but reads {ahead} frames ahead")
    if seen is None:
        notes.append("not audited, no stages: the measurement was not looked into")
    elif seen["stages"] is None:
        notes.append("no stages: hooks inside a compiled backbone would make it another one")
    if seen is not None and "macs_note" in seen:
        notes.append(seen["macs_note"])
    if not all(repeat.memory.get("since_reset", True) for repeat in repeats):
        host = "host's " if protocol.device_kind == "cuda" else ""
        notes.append(f"peak memory is that of the {host}whole process, building the model included")
    if frames < P99_FRAMES_MIN and protocol.scenario == "stream":
        notes.append(f"no p99: it takes {P99_FRAMES_MIN} frames")
    return notes


def assembled_curve(
    plan: SpeedPlan,
    dataset: Dataset,
    curve: CurveKind,
    values: Sequence[int],
    failed: Mapping[Path, Mapping[str, Any]],
) -> CurveRecord:
    """The curve of one method, written beside its results. failed: results that failed, by file."""
    paths = {value: plan.curve_point(curve, value)[1] for value in values}
    good = {value: read_json(path) for value, path in paths.items() if path not in failed}
    protocol = plan.settings.protocols[0]
    record = CurveRecord(
        **_facts(plan, dataset),
        protocol=protocol,
        protocol_hash=protocol.content_hash(),
        curve=curve,
        points=tuple(CurvePoint.model_validate(result["point"]) for result in good.values()),
        failed={str(value): failed[path]["error"] for value, path in paths.items() if path in failed},
        hardware=next((result["hardware"] for result in good.values()), {}),
        notes=tuple(_load_notes(list(good.values()))),
    )
    write_speed(plan.directory / f"{curve}{CURVE_SUFFIX}", record)
    return record


def _load_notes(results: Sequence[Mapping[str, Any]]) -> list[str]:
    """A warning where other programs kept the machine busy when the measurement began."""
    load = max((result["load_before"] for result in results if result.get("load_before")), default=0.0)
    if load <= _BUSY_LOAD:
        return []
    return [f"load average {load:.1f} before the measurement: other programs may have slowed it down"]


def _queue_notes(repeats: Sequence[Repeat]) -> list[str]:
    """A warning where other programs took the processor while frames were timed."""
    shares = [(repeat.queue_seconds or 0.0) / repeat.end_to_end_seconds for repeat in repeats]
    if statistics.median(shares) <= _QUEUE_MAX:
        return []
    return [
        f"no processor for {statistics.median(shares):.0%} of the time, because other programs ran: CPU ms "
        "says more than FPS"
    ]
