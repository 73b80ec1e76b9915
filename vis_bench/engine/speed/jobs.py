"""The processes of a measurement in order, and how long they will take, by those that have ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vis_bench.engine.speed.audit import audited_frames
from vis_bench.engine.speed.material import distinct, timed_videos, videos_with_objects
from vis_bench.engine.speed.plan import SpeedPlan
from vis_bench.engine.speed.task import SpeedTask
from vis_bench.files import read_json
from vis_bench.records.speed import CurveKind, SpeedProtocol
from vis_bench.types import Dataset

_PASSES_TIMED, _PASSES_INSPECTED = 3, 2

Rates = Mapping[str, tuple[float, int]]
"""Wall seconds and frames of the processes that ended, by `method@config`."""


@dataclass(frozen=True, slots=True)
class Job:
    """One process. target: file of its result. group: once one of a group failed, the others are left out.

    frames: how many it works through, every pass counted; the measure of how long it takes. most_seconds:
    when the protocol ends it, about; None where frames alone decide.
    """

    plan: SpeedPlan
    task: SpeedTask
    target: Path
    group: Path
    what: str
    frames: int
    most_seconds: float | None = None

    @property
    def name(self) -> str:
        """For messages."""
        return f"{self.plan.label} {self.what}"

    def result(self) -> dict[str, Any] | None:
        """What an earlier process left, None where there is none or it failed."""
        found = read_json(self.target) if self.target.exists() else None
        return None if found is None or "error" in found else found


def speed_jobs(plans: Sequence[SpeedPlan], dataset: Dataset) -> list[Job]:
    """First repeat of every method and scenario, second repeat, ...; then stages and audits of each."""
    protocols = plans[0].settings.protocols
    videos = timed_videos(dataset, protocols[0].frames, protocols[0].short)
    frames = passes_timed(protocols[0]) * sum(video.length for video in videos)
    jobs = []
    for repeat in range(protocols[0].repeats):
        for plan in plans:
            for protocol in protocols:
                task, target = plan.timing(protocol, repeat)
                what = f"{protocol.scenario} {repeat + 1}"
                jobs.append(Job(plan, task, target, plan.directory, what, frames, _most_seconds(protocol)))
    frames = _PASSES_INSPECTED * sum(video.length for video in distinct(videos))
    frames += audited_frames(dataset, protocols[0].short)
    for plan in plans:
        task, target = plan.inspection()
        jobs.append(Job(plan, task, target, plan.directory, "stages and audits", frames))
    return jobs


def passes_timed(protocol: SpeedProtocol) -> int:
    """How often a repeat tracks its frames."""
    return 1 if protocol.end_to_end_only else _PASSES_TIMED


def _most_seconds(protocol: SpeedProtocol) -> float | None:
    """Every pass of a repeat takes about as long as the one that is limited."""
    if protocol.seconds is None:
        return None
    return protocol.warm_up_seconds + passes_timed(protocol) * protocol.seconds


def curve_jobs(
    plans: Sequence[SpeedPlan], dataset: Dataset, curve: CurveKind, values: Sequence[int]
) -> list[Job]:
    """One process per value and method, the smallest value of all methods first."""
    jobs = []
    for value in values:
        for plan in plans:
            task, target = plan.curve_point(curve, value)
            frames = value
            if curve == "objects":
                frames = task.protocol.frames + videos_with_objects(dataset, value)[0].length
            jobs.append(Job(plan, task, target, target, f"{curve} {value}", frames))
    return jobs


def earlier_rates(jobs: Sequence[Job]) -> dict[str, tuple[float, int]]:
    """Rates from results of the same methods and configurations, of whatever code and protocol."""
    rates: dict[str, tuple[float, int]] = {}
    for plan in {job.plan.label: job.plan for job in jobs}.values():
        for path in sorted(plan.directory.parent.glob(f"{plan.label}-*/*-*.json")):
            if not path.name.endswith(".task.json"):
                rates = with_result(rates, plan.label, read_json(path))
    return rates


def with_result(rates: Rates, label: str, result: Mapping[str, Any]) -> dict[str, tuple[float, int]]:
    """`rates` and one more process; one without its duration changes nothing."""
    seconds, frames = rates.get(label, (0.0, 0))
    if result.get("process_frames"):
        return {**rates, label: (seconds + result["process_seconds"], frames + result["process_frames"])}
    return dict(rates)


def expected_seconds(jobs: Sequence[Job], rates: Rates) -> tuple[float | None, list[str]]:
    """(seconds of the jobs that have no result, methods that this had to guess).

    A method that was never measured counts as the mean of the others. None where nothing was measured yet.
    """
    waiting = [job for job in jobs if job.result() is None]
    unknown = [label for label in dict.fromkeys(job.plan.label for job in waiting) if label not in rates]
    if not rates:
        return (None if waiting else 0.0), unknown
    mean = sum(seconds / frames for seconds, frames in rates.values()) / len(rates)
    total = 0.0
    for job in waiting:
        seconds, frames = rates.get(job.plan.label, (mean, 1))
        expected = job.frames * seconds / frames
        total += expected if job.most_seconds is None else min(expected, job.most_seconds)
    return total, unknown
