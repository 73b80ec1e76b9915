"""One run in a process of its own, which can crash without taking the sweep along."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from vis_bench.engine.opened_data import OpenedData, open_data
from vis_bench.engine.order import Order
from vis_bench.engine.plan import RunSpec
from vis_bench.engine.process.children import end_with_parent, process_context
from vis_bench.engine.process.failure import Failure
from vis_bench.engine.process.progress import Progress
from vis_bench.records.run import Record


def execute(run: RunSpec, data: OpenedData, progress: Progress, together: Any = None) -> Record:
    """`execute_run` with the threads of the protocol. together: see there."""
    import torch

    from vis_bench.engine.execute import execute_run

    threads = torch.get_num_threads()
    torch.set_num_threads(run.settings.protocol.threads_per_job)
    try:
        return execute_run(run, data, progress, together)
    finally:
        torch.set_num_threads(threads)


@dataclass(frozen=True, slots=True)
class StageMade:
    """An image stage is there. seconds: that it took here."""

    seconds: float


def make_stage(run: RunSpec, progress: Progress) -> StageMade | Failure:
    """Train the image stage of a run, with the threads of the protocol."""
    import torch

    from vis_bench.engine.execute import run_image_stage

    begin, threads = time.perf_counter(), torch.get_num_threads()
    torch.set_num_threads(run.settings.protocol.threads_per_job)
    try:
        run_image_stage(run, progress)
    except Exception as error:  # noqa: BLE001 - whatever it is, the runs that need the stage report it
        return Failure.of(error)
    finally:
        torch.set_num_threads(threads)
    return StageMade(time.perf_counter() - begin)


@dataclass(frozen=True, slots=True)
class Job:
    """A process that executes one run, or makes an image stage. messages: the end of its own pipe that is
    read; with one for all, a
    process that is killed while it writes would block the others."""

    process: Any
    messages: Connection

    @property
    def handles(self) -> tuple[Any, ...]:
        """What becomes ready when the job says something or ends."""
        return self.messages, self.process.sentinel

    def hear(self, progress: Progress) -> Any:
        """Pass on what the job has said; its result (Record or StageMade), a Failure where it ended without
        one, None before."""
        # asked first: all that an ended process has said can be read
        ended = not self.process.is_alive()
        for message in self._said():
            if not isinstance(message, tuple):
                self.process.join()
                return message
            progress(*message)
        return Failure.of_process(self.process.exitcode) if ended else None

    def _said(self) -> Iterator[Any]:
        try:
            while self.messages.poll():
                yield self.messages.recv()
        except (EOFError, OSError):
            # the end of the pipe, in the middle of a message if the process was killed
            return

    def stop(self) -> None:
        """End the process. What it has finished is on disk."""
        self.process.terminate()


def start_job(run: RunSpec) -> Job:
    """Start a run in a new process, which opens the data itself."""
    return _start(work, run)


def start_stage_job(run: RunSpec) -> Job:
    """Start making the image stage of a run in a new process."""
    return _start(work_on_stage, run)


def _start(target: Callable[[Order, Connection], None], run: RunSpec) -> Job:
    context = process_context()
    messages, sender = context.Pipe(duplex=False)
    # no daemon, so that a method may start processes of its own; it ends with its parent all the same
    process = context.Process(target=target, args=(Order.of(run), sender))
    process.start()
    # the only other end is that of the process, so that the pipe ends with it
    sender.close()
    return Job(process, messages)


def work(order: Order, messages: Connection) -> None:
    """Entry point of a job's process: sends progress as (stage, done, total), then a Record or a Failure."""
    _tell(messages, lambda progress: execute(order.run(), open_data(order.settings), progress))


def work_on_stage(order: Order, messages: Connection) -> None:
    """As `work`, for the image stage of the run: sends a StageMade or a Failure at the end."""
    _tell(messages, lambda progress: make_stage(order.run(), progress))


def _tell(messages: Connection, result: Callable[[Progress], Any]) -> None:
    def progress(*step: Any) -> None:
        try:
            messages.send(step)
        except OSError:
            # nobody reads: the parent is gone, which is no failure of the run
            os._exit(1)

    end_with_parent()
    try:
        messages.send(result(progress))
    except KeyboardInterrupt:
        # the terminal sends the signal to every process of the group; the parent reports it once
        return
    except Exception as error:  # noqa: BLE001 - the parent reports it in the run's record
        messages.send(Failure.of(error))
