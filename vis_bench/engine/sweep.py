"""Many runs, each in a process of its own, with one table of outcomes at the end."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from multiprocessing.connection import wait

from vis_bench.data.shapes.workers import available_processes
from vis_bench.engine.job import Job, execute, start_job
from vis_bench.engine.plan import OpenedData, RunSpec
from vis_bench.engine.process.failure import Failure
from vis_bench.engine.process.progress import Bars
from vis_bench.records.run import CHECKPOINT_NAME, Record


@dataclass(frozen=True, slots=True)
class Outcome:
    """One run's record and whether it was computed now or found finished."""

    run: RunSpec
    record: Record
    cached: bool


def default_jobs(device: str, threads_per_job: int) -> int:
    """Runs side by side: on a CPU, the processors that may be used / threads of a job (two one-thread jobs
    beat one of two threads)."""
    return max(1, available_processes() // threads_per_job) if device == "cpu" else 1


def run_sweep(runs: Sequence[RunSpec], data: OpenedData, jobs: int) -> list[Outcome]:
    """Run what is not finished yet, `jobs` at a time; returns outcomes in the order of `runs`.

    A single run on a CPU stays in this process, where a debugger finds it. Otherwise each has a process of
    its own, so that a crash, or an error after which a process can use CUDA no more, ends one run only.
    """
    outcomes: dict[int, Outcome] = {}
    for index, run in enumerate(runs):
        record = run.finished_record()
        if record is not None:
            outcomes[index] = Outcome(run, record, cached=True)
    waiting = [run for index, run in enumerate(runs) if index not in outcomes]
    bars = Bars()
    try:
        if waiting:
            _initialise_once(waiting, bars)
        if len(waiting) == 1 and waiting[0].settings.device == "cpu":
            records = [execute(waiting[0], data, bars.callback(waiting[0].label))]
        else:
            records = _in_processes(waiting, data, jobs, bars)
    finally:
        bars.close()
    computed = iter(records)
    return [
        outcomes[index] if index in outcomes else Outcome(run, next(computed), cached=False)
        for index, run in enumerate(runs)
    ]


def _initialise_once(runs: Sequence[RunSpec], bars: Bars) -> None:
    """Do the shared pretraining here, on all cores, before the jobs that need it start."""
    from vis_bench.engine.execute import shared_initialisation

    for run in runs:
        try:
            shared_initialisation(run, bars.callback("all methods"))
        except Exception:  # noqa: BLE001 - the run itself meets the same error and reports it in its record
            continue
    bars.close("all methods")


def _in_processes(runs: Sequence[RunSpec], data: OpenedData, jobs: int, bars: Bars) -> list[Record]:
    from vis_bench.engine.execute import record_failure

    # long trainings first, so that no processor waits for a long last one
    left = sorted(range(len(runs)), key=lambda index: -runs[index].iterations)
    active: dict[int, Job] = {}
    records: dict[int, Record] = {}
    try:
        while left or active:
            while len(active) < jobs and (index := _next(runs, left, active)) is not None:
                left.remove(index)
                active[index] = start_job(runs[index])
            wait([handle for job in active.values() for handle in job.handles], timeout=1.0)
            for index, job in list(active.items()):
                result = job.hear(bars.callback(runs[index].label))
                if result is None:
                    continue
                del active[index]
                bars.close(runs[index].label)
                if isinstance(result, Failure):
                    result = record_failure(runs[index], data, result)
                records[index] = result
    finally:
        for job in active.values():
            job.stop()
    return [records[index] for index in range(len(runs))]


def _next(runs: Sequence[RunSpec], left: Sequence[int], active: Collection[int]) -> int | None:
    """The first run that may start: two jobs must not train the same weights, the second waits for them."""
    training = {runs[index].train_dir for index in active}
    may_start = (
        index
        for index in left
        if runs[index].train_dir not in training or (runs[index].train_dir / CHECKPOINT_NAME).exists()
    )
    return next(may_start, None)
