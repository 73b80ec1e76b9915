"""Running the processes of a measurement one after the other; what is done stays done."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from vis_bench.engine.process.progress import duration
from vis_bench.engine.speed.assemble import assembled, assembled_curve
from vis_bench.engine.speed.jobs import (
    Job,
    curve_jobs,
    earlier_rates,
    expected_seconds,
    passes_timed,
    speed_jobs,
    with_result,
)
from vis_bench.engine.speed.plan import SpeedPlan
from vis_bench.engine.speed.task import SpeedTask
from vis_bench.errors import EXIT_METHOD_FAILED
from vis_bench.files import read_json, write_json
from vis_bench.records.speed import CurveKind, CurveRecord, SpeedRecord
from vis_bench.types import Dataset

Say = Callable[[str], None]


def measure_speed(plans: Sequence[SpeedPlan], dataset: Dataset, say: Say) -> list[SpeedRecord]:
    """Measure what is missing; one record per method and scenario, written as soon as it is complete.

    A method that fails is left out from then on and gets records of status `failed`.
    """
    failed = perform(speed_jobs(plans, dataset), say)
    protocols = plans[0].settings.protocols
    return [
        assembled(plan, protocol, dataset, failed.get(plan.directory))
        for plan in plans
        for protocol in protocols
    ]


def measure_curve(
    plans: Sequence[SpeedPlan], dataset: Dataset, curve: CurveKind, values: Sequence[int], say: Say
) -> list[CurveRecord]:
    """One point per value and method; a point that fails (memory, say) does not end the others."""
    failed = perform(curve_jobs(plans, dataset, curve, values), say)
    return [assembled_curve(plan, dataset, curve, values, failed) for plan in plans]


def forecast(jobs: Sequence[Job]) -> str:
    """How many processes there are, how many are still to do, and how long these will take."""
    waiting = [job for job in jobs if job.result() is None]
    seconds, unknown = expected_seconds(jobs, earlier_rates(jobs))
    text = f"{len(jobs)} processes, {len(jobs) - len(waiting)} cached"
    if seconds is None:
        return f"{text}; how long the others take is not known: nothing was measured below this folder yet"
    guessed = f"; never measured, taken as the mean of the others: {', '.join(unknown)}" if unknown else ""
    return f"{text}; the others take about {duration(seconds)}, as earlier ones did{guessed}"


def perform(jobs: Sequence[Job], say: Say) -> dict[Path, dict[str, Any]]:
    """Run the processes whose results are not there; the results of those that failed, by group."""
    failed: dict[Path, dict[str, Any]] = {}
    rates = earlier_rates(jobs)
    load = _load_average()
    for place, job in enumerate(jobs):
        if job.group in failed:
            continue
        if job.result() is not None:
            say(f"{'cached':<10} {job.name}")
            continue
        seconds, _ = expected_seconds([later for later in jobs[place:] if later.group not in failed], rates)
        left = "" if seconds is None else f", about {duration(seconds)} left"
        say(f"{'measuring':<10} {job.name} ({place + 1} of {len(jobs)}{left})")
        begin = time.perf_counter()
        result = run_process(job.task, job.target)
        if "error" in result:
            failed[job.group] = result
            say(f"{'failed':<10} {job.name}: {result['error']}")
            continue
        # a repeat that time ended has seen fewer frames than it was given
        seen = passes_timed(job.task.protocol) * result["frames"] if "frames" in result else job.frames
        spent = {"process_seconds": time.perf_counter() - begin, "process_frames": seen}
        write_json(job.target, {**result, **spent, "load_before": load})
        rates = with_result(rates, job.plan.label, spent)
    return failed


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


def _load_average() -> float | None:
    """Processes that wanted a processor in the last minute, before the measurement adds its own."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else None
