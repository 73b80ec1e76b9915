"""Many runs: in this process, or each in a process of its own, with one table of outcomes at the end."""

from __future__ import annotations

import multiprocessing
import os
import queue
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from vis_bench.engine.plan import OpenedData, RunSpec, Settings, open_data, resolve_config
from vis_bench.engine.progress import Bars, Progress
from vis_bench.errors import EXIT_METHOD_FAILED
from vis_bench.plugins import load_spec
from vis_bench.records import Record, read_record, write_record


@dataclass(frozen=True, slots=True)
class Outcome:
    """One run's record and whether it was computed now or found finished."""

    run: RunSpec
    record: Record
    cached: bool


def default_jobs(device: str, threads_per_job: int) -> int:
    """Runs side by side: on a CPU, cores / threads of a job (two one-thread jobs beat one of two threads)."""
    return max(1, (os.cpu_count() or 1) // threads_per_job) if device == "cpu" else 1


def run_sweep(runs: Sequence[RunSpec], data: OpenedData, jobs: int) -> list[Outcome]:
    """Run what is not finished yet, `jobs` at a time; returns outcomes in the order of `runs`."""
    outcomes: dict[int, Outcome] = {}
    for index, run in enumerate(runs):
        record = run.finished_record()
        if record is not None:
            outcomes[index] = Outcome(run, record, cached=True)
    waiting = [index for index in range(len(runs)) if index not in outcomes]
    bars = Bars()
    try:
        if waiting:
            _initialise_once([runs[index] for index in waiting], bars)
        if min(jobs, len(waiting)) <= 1:
            for index in waiting:
                record = _execute(runs[index], data, bars.callback(runs[index].label))
                bars.close(runs[index].label)
                outcomes[index] = Outcome(runs[index], record, cached=False)
        else:
            for index, record in _side_by_side(runs, waiting, data, jobs, bars).items():
                outcomes[index] = Outcome(runs[index], record, cached=False)
    finally:
        bars.close()
    return [outcomes[index] for index in range(len(runs))]


def _initialise_once(runs: Sequence[RunSpec], bars: Bars) -> None:
    """Do the shared pretraining here, on all cores, before the jobs that need it start."""
    from vis_bench.engine.execute import shared_initialisation

    for run in runs:
        try:
            shared_initialisation(run, bars.callback("all methods"))
        except Exception:  # noqa: BLE001 - the run itself meets the same error and reports it in its record
            continue
    bars.close("all methods")


def _execute(run: RunSpec, data: OpenedData, progress: Progress) -> Record:
    import torch

    from vis_bench.engine.execute import execute_run

    threads = torch.get_num_threads()
    torch.set_num_threads(run.settings.protocol.threads_per_job)
    try:
        return execute_run(run, data, progress)
    finally:
        torch.set_num_threads(threads)


@dataclass(frozen=True, slots=True)
class _Order:
    """A RunSpec without its configuration object, whose class may live in a plug-in file that a new process
    has not loaded yet; the worker resolves it again."""

    method: str
    config_name: str
    seed: int
    settings: Settings
    train_hash: str
    run_hash: str

    @classmethod
    def of(cls, run: RunSpec) -> _Order:
        return cls(run.method, run.config_name, run.seed, run.settings, run.train_hash, run.run_hash)

    def run(self) -> RunSpec:
        settings = self.settings
        spec = load_spec(self.method)
        name, config = resolve_config(spec, self.config_name, settings.protocol, settings.overrides)
        return RunSpec(self.method, name, config, self.seed, settings, self.train_hash, self.run_hash)


def _worker(index: int, order: _Order, messages: Any) -> None:
    """Entry point of a job process: opens the data itself, sends progress, then the record."""

    def progress(stage: str, done: int, total: int) -> None:
        messages.put(("progress", index, (stage, done, total)))

    _end_with_parent()
    try:
        record = _execute(order.run(), open_data(order.settings), progress)
    except KeyboardInterrupt:
        # the terminal sends the signal to every process of the group; the parent reports it once
        return
    messages.put(("record", index, record.model_dump(mode="json")))


def _end_with_parent() -> None:
    """Leave when the parent is gone: an orphan would write beside the run that takes its place."""
    parent = multiprocessing.parent_process()

    def watch() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _process_context() -> Any:
    """Job processes are forked from one that has imported torch, where the system can: each saves seconds."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["vis_bench.engine.execute", "torchvision"])
    return context


def _side_by_side(
    runs: Sequence[RunSpec], waiting: list[int], data: OpenedData, jobs: int, bars: Bars
) -> dict[int, Record]:
    context = _process_context()
    messages = context.Queue()
    left = list(waiting)
    active: dict[int, Any] = {}
    records: dict[int, Record] = {}
    try:
        while left or active:
            while left and len(active) < jobs:
                index = left.pop(0)
                process = context.Process(
                    target=_worker, args=(index, _Order.of(runs[index]), messages), daemon=True
                )
                process.start()
                active[index] = process
            try:
                kind, index, value = messages.get(timeout=1.0)
            except queue.Empty:
                for index in [i for i, process in active.items() if not process.is_alive()]:
                    records[index] = _died(runs[index], data, active.pop(index).exitcode)
                continue
            label = runs[index].label
            if kind == "progress":
                bars.update(label, *value)
            else:
                records[index] = Record.model_validate(value)
                bars.close(label)
                if index in active:
                    active.pop(index).join()
    finally:
        for process in active.values():
            process.terminate()
    return records


def _died(run: RunSpec, data: OpenedData, exit_code: int | None) -> Record:
    """The record of a job whose process ended without a word."""
    from vis_bench.engine.execute import run_facts

    path = run.run_dir / "record.json"
    if path.exists():
        return read_record(path)
    reason = "killed, out of memory?" if exit_code is not None and exit_code < 0 else "crashed"
    record = Record(
        **run_facts(run, load_spec(run.method), data),
        status="failed",
        error=f"the job's process ended with exit code {exit_code} ({reason})",
        error_code=EXIT_METHOD_FAILED,
    )
    write_record(run.run_dir, record)
    return record
