"""Many runs, each in a process of its own, with one table of outcomes at the end."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from multiprocessing.connection import wait

from vis_bench.data.shapes.workers import available_processes
from vis_bench.engine.image_stage import Stage
from vis_bench.engine.job import StageMade, execute, make_stage
from vis_bench.engine.opened_data import OpenedData
from vis_bench.engine.placing import Executor, OwnProcesses, Placed
from vis_bench.engine.plan import RunSpec
from vis_bench.engine.process.devices import Devices, under_launcher
from vis_bench.engine.process.failure import Failure
from vis_bench.engine.process.lease import Watch
from vis_bench.engine.process.progress import SweepBars, duration
from vis_bench.engine.units import Unit, failure_of, held_elsewhere, in_order, may_start, needs, stage_units
from vis_bench.errors import EXIT_METHOD_FAILED
from vis_bench.records.run import Record

_LINE_CELLS = 80
"""Of a terminal."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One run's record and whether it was computed now or found finished."""

    run: RunSpec
    record: Record
    cached: bool


def default_jobs(devices: Devices, threads_per_job: int) -> int:
    """Runs side by side: one for each slot of GPUs; on a CPU, the processors that may be used / threads of a
    run (two one-thread jobs beat one of two threads)."""
    if devices.kind != "cpu":
        return len(devices.slots)
    return max(1, available_processes() // (threads_per_job * devices.per_run))


def run_sweep(
    runs: Sequence[RunSpec],
    data: OpenedData,
    jobs: int,
    slots: Sequence[tuple[str, ...]] = (),
    executor: Executor | None = None,
) -> list[Outcome]:
    """Run what is not finished yet, `jobs` at a time; returns outcomes in the order of `runs`.

    slots: devices of one run each; runs side by side have different ones, unless there are more of them. All
    run on the devices of their settings where none are given. executor: where, None for this machine.

    A single run on a CPU of this machine stays in this process, where a debugger finds it. Otherwise each
    has a process of its own, so that a crash, or an error after which a process can use CUDA no more, ends
    one run only. What another process computes meanwhile in the same folder is left to it, and its results
    are taken.
    """
    place = executor or OwnProcesses()
    outcomes: dict[int, Outcome] = {}
    for index, run in enumerate(runs):
        record = run.finished_record()
        if record is not None:
            outcomes[index] = Outcome(run, record, cached=True)
    waiting = [run for index, run in enumerate(runs) if index not in outcomes]
    labels = [unit.label for unit in in_order(waiting)]
    bars = SweepBars(labels, max(1, min(jobs, len(waiting))))
    try:
        if waiting and not place.remote:
            _initialise_once(waiting, bars)
        if under_launcher():
            _make_stages(waiting, bars)
            records = _launched(waiting, data, bars)
        elif len(waiting) == 1 and waiting[0].settings.device == "cpu" and not place.remote:
            records = [execute(waiting[0], data, bars.callback(waiting[0].label))]
            bars.finished(waiting[0].label, _ended(waiting[0], records[0]))
        else:
            records = _placed(waiting, data, jobs, bars, slots, place)
    finally:
        bars.close()
    for record, index in zip(records, [i for i in range(len(runs)) if i not in outcomes], strict=False):
        outcomes[index] = Outcome(runs[index], record, cached=False)
    return [outcomes[index] for index in sorted(outcomes)]


def _ended(run: RunSpec, record: Record) -> str:
    """A line for a run that has ended: `done  stc@tiny seed 0  AP 43.1, AP50 71.6, trained in 3 min`."""
    parts = []
    if record.metrics is not None:
        ap = record.metrics["video_ap"]
        parts = [f"{name} {100 * ap[name]:.1f}" for name in ("AP", "AP50") if ap[name] is not None]
    for word, seconds in (("trained", record.timing.train_seconds), ("tracked", record.timing.track_seconds)):
        if seconds is not None and record.status != "failed":
            parts.append(f"{word} in {duration(seconds)}")
    said, head = ", ".join(parts), f"{record.status:<10} {run.label}"
    between = "  " if len(head) + len(said) <= _LINE_CELLS - 2 else f"\n{'':<11}"
    return head + (between + said if said else "")


def _initialise_once(runs: Sequence[RunSpec], bars: SweepBars) -> None:
    """Do the shared pretraining here, on all cores, before the jobs that need it start."""
    from vis_bench.engine.execute import shared_initialisation

    for run in runs:
        if run.start is not None:
            # a whole model; where its file lacks the backbone, the run sees to it
            continue
        try:
            shared_initialisation(run, bars.callback("all methods"))
        except Exception:  # noqa: BLE001 - the run itself meets the same error and reports it in its record
            continue
    bars.close("all methods")


def _make_stages(runs: Sequence[RunSpec], bars: SweepBars) -> None:
    """Make the image stages before the processes of a launcher meet: who comes first trains, the others wait
    for it, so that nobody runs out of patience at the meeting. Each begins with another one."""
    units = stage_units(runs)
    rank = int(os.environ.get("RANK", "0"))
    for unit in units[rank % max(1, len(units)) :] + units[: rank % max(1, len(units))]:
        # the runs that need it meet a failure again and report it in their records
        make_stage(unit.run, bars.callback(unit.label))


def _launched(runs: Sequence[RunSpec], data: OpenedData, bars: SweepBars) -> list[Record]:
    """One run after the other on all processes of a launcher; those that do not lead have no records.

    After a training that failed, the rest is not begun: its processes are no longer in step.
    """
    from vis_bench.engine.execute import record_failure, train_along
    from vis_bench.engine.ranks import Launched, follow
    from vis_bench.engine.training.group import join, leave

    if not runs:
        return []
    group = join(0, 0, runs[0].settings.device, None)
    if not group.leads:
        follow(runs, data, group, train_along)
        leave(group)
        return []
    leader, records = Launched(runs, group), []
    for run in runs:
        if leader.broken:
            text = "not begun: a training before it failed and took the launcher's processes along"
            records.append(record_failure(run, data, Failure(text, EXIT_METHOD_FAILED, f"{text}\n")))
        else:
            records.append(execute(run, data, bars.callback(run.label), leader.together))
        bars.finished(run.label, _ended(run, records[-1]))
    leader.dismiss()
    if not leader.broken:
        leave(group)
    return records


def _placed(
    runs: Sequence[RunSpec],
    data: OpenedData,
    jobs: int,
    bars: SweepBars,
    slots: Sequence[tuple[str, ...]],
    place: Executor,
) -> list[Record]:
    from vis_bench.engine.execute import record_failure

    units = in_order(runs)
    left = list(range(len(units)))
    active: dict[int, Placed] = {}
    taken: dict[int, tuple[str, ...]] = {}
    records: dict[int, Record] = {}
    watch = Watch()

    def ended(index: int, result: Record | Failure) -> None:
        run = units[index].run
        record = record_failure(run, data, result) if isinstance(result, Failure) else result
        records[index] = record
        bars.finished(run.label, _ended(run, record))

    try:
        while left or active:
            for index in _made_elsewhere(units, left, ended, bars):
                left.remove(index)
            chosen: list[int] = []
            while len(active) + len(chosen) < jobs:
                busy = {*active, *chosen}
                free = [index for index in left if held_elsewhere(units[index], watch) is None]
                first = _next(units, free, busy, left)
                if first is None:
                    break
                left.remove(first)
                chosen.append(first)
            with place.together() if chosen else nullcontext():
                for index in chosen:
                    slot = _free_slot(slots, list(taken.values()))
                    if slot is not None:
                        taken[index] = slot
                    active[index] = place.start(replace(units[index], run=_on(units[index].run, slot)))
            if left and not active:
                _say_who_is_waited_for(units, left, watch, bars)
            wait([handle for job in active.values() for handle in job.handles], timeout=1.0)
            for index, job in list(active.items()):
                result = job.hear(bars.callback(units[index].label))
                if result is None:
                    continue
                del active[index]
                taken.pop(index, None)
                stage = units[index].makes
                if stage is None:
                    ended(index, result)
                    continue
                bars.finished(stage.label, _stage_ended(stage, result))
                if isinstance(result, Failure):
                    for other in [other for other in left if needs(units[other], stage)]:
                        left.remove(other)
                        ended(other, failure_of(stage, result))
    finally:
        for job in active.values():
            job.stop()
    of_runs = {id(unit.run): records[index] for index, unit in enumerate(units) if unit.makes is None}
    return [of_runs[id(run)] for run in runs]


def _made_elsewhere(
    units: Sequence[Unit],
    left: Sequence[int],
    ended: Callable[[int, Record], None],
    bars: SweepBars,
) -> list[int]:
    """The units that another process has finished since this one looked; their results are taken."""
    found = []
    for index in left:
        unit = units[index]
        if unit.makes is not None:
            if unit.makes.checkpoint.exists():
                bars.finished(unit.label, f"{'done':<10} {unit.label}  by another process")
                found.append(index)
            continue
        record = unit.run.finished_record()
        if record is not None:
            ended(index, record)
            found.append(index)
    return found


def _say_who_is_waited_for(units: Sequence[Unit], left: Sequence[int], watch: Watch, bars: SweepBars) -> None:
    for index in left:
        owner = held_elsewhere(units[index], watch)
        if owner is not None:
            bars.callback(units[index].label)(f"waiting for {owner}", 0, 1)


def _stage_ended(stage: Stage, result: StageMade | Failure) -> str:
    """As `_ended`, for an image stage."""
    if isinstance(result, Failure):
        # every run that needs it says why
        return f"{'failed':<10} {stage.label}"
    return f"{'done':<10} {stage.label}  {stage.rules.images:,} images, trained in {duration(result.seconds)}"


def _free_slot(slots: Sequence[tuple[str, ...]], taken: Sequence[tuple[str, ...]]) -> tuple[str, ...] | None:
    """The slot that fewest runs are on; None where there are no slots."""
    return min(slots, key=taken.count, default=None)


def _on(run: RunSpec, slot: tuple[str, ...] | None) -> RunSpec:
    """The run on these devices."""
    if slot is None:
        return run
    return replace(run, settings=replace(run.settings, device=slot[0], devices=slot))


def _next(
    units: Sequence[Unit], free: Sequence[int], active: Collection[int], left: Sequence[int]
) -> int | None:
    """The first of the free units that may start. left: all that have not begun here."""
    running, waiting = [units[index] for index in active], [units[index] for index in left]
    return next((index for index in free if may_start(units[index], running, waiting)), None)
