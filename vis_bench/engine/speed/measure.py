"""The processes of a measurement, one after the other, interleaved over methods; what is done stays done."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import vis_bench
from vis_bench.config import to_dict
from vis_bench.engine.environment import git_state, package_versions
from vis_bench.engine.plan import identity
from vis_bench.engine.speed.audit import same_predictions
from vis_bench.engine.speed.material import timed_videos
from vis_bench.engine.speed.plan import SpeedPlan
from vis_bench.engine.speed.task import SpeedTask
from vis_bench.errors import EXIT_METHOD_FAILED
from vis_bench.files import read_json, write_json
from vis_bench.speed_records import (
    CURVE_SUFFIX,
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
from vis_bench.types import Dataset

Say = Callable[[str], None]
_BUSY_LOAD = 0.5


def measure_speed(plans: Sequence[SpeedPlan], dataset: Dataset, say: Say) -> list[SpeedRecord]:
    """Measure what is missing; one record per method and scenario, written as soon as it is complete.

    A method that fails is left out from then on and gets records of status `failed`.
    """
    notes = _load_notes()
    protocols = plans[0].settings.protocols
    failed: dict[Path, dict[str, Any]] = {}
    for repeat in range(protocols[0].repeats):
        for plan in plans:
            for protocol in protocols:
                _perform(
                    plan, *plan.timing(protocol, repeat), f"{protocol.scenario} {repeat + 1}", failed, say
                )
    for plan in plans:
        _perform(plan, *plan.inspection(), "stages and audits", failed, say)
    return [_assembled(plan, protocol, dataset, failed, notes) for plan in plans for protocol in protocols]


def measure_curve(
    plans: Sequence[SpeedPlan], dataset: Dataset, curve: CurveKind, values: Sequence[int], say: Say
) -> list[CurveRecord]:
    """One point per value and method; a point that fails (memory, say) does not end the others."""
    failed: dict[str, dict[Path, dict[str, Any]]] = {}
    for value in values:
        errors = failed.setdefault(str(value), {})
        for plan in plans:
            _perform(plan, *plan.curve_point(curve, value), f"{curve} {value}", errors, say)
    return [_assembled_curve(plan, dataset, curve, values, failed) for plan in plans]


def _perform(
    plan: SpeedPlan,
    task: SpeedTask,
    target: Path,
    what: str,
    failed: dict[Path, dict[str, Any]],
    say: Say,
) -> None:
    """Run one process unless its result is there or its method has failed."""
    if plan.directory in failed:
        return
    if target.exists() and "error" not in read_json(target):
        say(f"{'cached':<10} {plan.label} {what}")
        return
    say(f"{'measuring':<10} {plan.label} {what}")
    result = run_process(task, target)
    if "error" in result:
        failed[plan.directory] = result
        say(f"{'failed':<10} {plan.label} {what}: {result['error']}")


def run_process(task: SpeedTask, target: Path) -> dict[str, Any]:
    """Run a task in a process of its own; its result also lies in `target`."""
    asked = target.with_suffix(".task.json")
    target.unlink(missing_ok=True)
    write_json(asked, task.model_dump(mode="json"))
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": str(task.protocol.threads),
        # waiting threads that spin would be timed
        "OMP_WAIT_POLICY": "PASSIVE",
    }
    command = [sys.executable, "-m", "vis_bench.engine.speed.worker", str(asked), str(target)]
    done = subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    asked.unlink(missing_ok=True)
    if target.exists():
        return read_json(target)
    last = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
    text = f"its process ended with {done.returncode} ({' '.join(last) or 'no message'})"
    if done.returncode == -9:
        text += "; the system ends processes in this way when memory runs out"
    return {"error": text, "error_code": EXIT_METHOD_FAILED}


def _facts(plan: SpeedPlan, dataset: Dataset) -> dict[str, Any]:
    info = plan.spec.info
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
    }


def _assembled(
    plan: SpeedPlan,
    protocol: SpeedProtocol,
    dataset: Dataset,
    failed: dict[Path, dict[str, Any]],
    notes: Sequence[str],
) -> SpeedRecord:
    facts = {
        **_facts(plan, dataset),
        "paradigm": plan.spec.info.paradigm,
        "config_values": to_dict(plan.config),
        "protocol": protocol,
        "protocol_hash": protocol.content_hash(),
    }
    target = plan.directory / f"{protocol.scenario}{SUFFIX}"
    if (wrong := failed.get(plan.directory)) is not None:
        record = SpeedRecord(
            **facts, status="failed", error=wrong["error"], error_code=wrong.get("error_code")
        )
        write_speed(target, record)
        return record
    timed = [read_json(plan.timing(protocol, repeat)[1]) for repeat in range(protocol.repeats)]
    seen = read_json(plan.inspection()[1])
    videos = timed_videos(dataset, protocol.frames, protocol.short)
    frames, different = sum(video.length for video in videos), len({video.id for video in videos})
    audits = (
        same_predictions([result["digests"] for result in timed], seen["scored"]),
        Audit.model_validate(seen["repeated"]),
    )
    repeats = tuple(Repeat.model_validate(result["repeat"]) for result in timed)
    tracks_per_frame = timed[0]["tracks_per_frame"]
    record = SpeedRecord(
        **facts,
        status="done",
        frames=frames,
        videos=different,
        repeats=repeats,
        tracks_per_frame=tracks_per_frame,
        stages=Stages.model_validate(seen["stages"]) if seen["stages"] else None,
        audits=audits,
        parameters=seen["parameters"],
        macs_per_frame=seen.get("macs_per_frame"),
        macs_frame=seen.get("macs_frame"),
        macs_zero_operations=tuple(seen.get("macs_zero_operations", ())),
        hardware=timed[0]["hardware"],
        notes=(*notes, *_notes(plan, protocol, frames, different, tracks_per_frame, repeats, seen)),
    )
    write_speed(target, record)
    return record


def _notes(
    plan: SpeedPlan,
    protocol: SpeedProtocol,
    frames: int,
    videos: int,
    tracks_per_frame: float,
    repeats: Sequence[Repeat],
    seen: dict[str, Any],
) -> list[str]:
    """What a reader has to know."""
    notes = []
    if protocol.short:
        notes.append(f"short: {frames} frames instead of at least 500")
    if videos == 1:
        notes.append("one video only: no percentiles, they would say nothing about other videos")
    whole = not plan.spec.info.online and any(repeat.look_ahead_frames for repeat in repeats)
    if protocol.scenario == "stream" and whole and all(repeat.latency_ms is None for repeat in repeats):
        notes.append("returns whole tracks after the last frame: no latency per frame")
    if plan.weights is None:
        found = f"{tracks_per_frame:.1f} objects put out per frame"
        notes.append(f"random weights: {found}; trained weights do other work for objects")
    if plan.spec.info.online and any(repeat.look_ahead_frames for repeat in repeats):
        ahead = max(repeat.look_ahead_frames for repeat in repeats)
        notes.append(f"declared online, but reads {ahead} frames ahead")
    if seen["stages"] is None:
        notes.append("no stages: hooks inside a compiled backbone would make it another one")
    if "macs_note" in seen:
        notes.append(seen["macs_note"])
    if not all(repeat.memory.get("since_reset", True) for repeat in repeats):
        notes.append("peak memory is that of the whole process, building the model included")
    if frames < P99_FRAMES_MIN and protocol.scenario == "stream":
        notes.append(f"no p99: it takes {P99_FRAMES_MIN} frames")
    return notes


def _assembled_curve(
    plan: SpeedPlan,
    dataset: Dataset,
    curve: CurveKind,
    values: Sequence[int],
    failed: dict[str, dict[Path, dict[str, Any]]],
) -> CurveRecord:
    results = {
        value: read_json(path) for value in values if (path := plan.curve_point(curve, value)[1]).exists()
    }
    good = {value: result for value, result in results.items() if "error" not in result}
    protocol = plan.settings.protocols[0]
    record = CurveRecord(
        **_facts(plan, dataset),
        protocol=protocol,
        protocol_hash=protocol.content_hash(),
        curve=curve,
        points=tuple(CurvePoint.model_validate(result["point"]) for result in good.values()),
        failed={
            value: errors[plan.directory]["error"]
            for value, errors in failed.items()
            if plan.directory in errors
        },
        hardware=next((result["hardware"] for result in good.values()), {}),
        notes=tuple(_load_notes()),
    )
    write_speed(plan.directory / f"{curve}{CURVE_SUFFIX}", record)
    return record


def _load_notes() -> list[str]:
    """A warning where other processes keep the machine busy already."""
    if not hasattr(os, "getloadavg"):
        return []
    load = os.getloadavg()[0]
    if load <= _BUSY_LOAD:
        return []
    return [f"load average {load:.1f} before the measurement: other processes may have slowed it down"]
