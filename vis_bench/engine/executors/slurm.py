"""The executor `slurm`: units as jobs of a SLURM cluster through submitit; those of one moment as one array.

The folder of results has to be one that all machines see. On the signal USR1, which SLURM sends before the
time is over or a job is preempted, the job is submitted again, and goes on from its checkpoint. Source:
submitit documentation, `AutoExecutor`, `helpers.DelayedSubmission` and "checkpointing".
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vis_bench.engine.executors.unit_work import Folder, call, remote_devices, work_on
from vis_bench.engine.order import Order
from vis_bench.engine.process.devices import Devices
from vis_bench.engine.process.failure import Failure
from vis_bench.engine.process.progress import Progress
from vis_bench.engine.units import Unit
from vis_bench.errors import EXIT_METHOD_FAILED, MethodError, UsageError

CLUSTERS = ("slurm", "local", "debug")
SIGNAL_VARIABLE = "SUBMITIT_PREEMPT_SIGNAL"
FOLDER_NAME = "slurm"
REQUEUES = 100


class UnitWork:
    """What a job calls. `checkpoint` is called by submitit on the signal, and says how the job goes on."""

    def __call__(self, function: Callable[..., Any], *arguments: Any) -> Any:
        return function(*arguments)

    def checkpoint(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """The same call once more."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self, function, *arguments)


@dataclass
class SlurmExecutor:
    """executor: submitit's. gpus: whether the parameters ask for any."""

    executor: Any
    gpus: int
    remote: bool = True
    cancelled: set[int] = field(default_factory=set)

    def devices(self, device: str, devices: int | str) -> Devices:
        """As many as asked; `auto` is CUDA where the parameters ask for GPUs. Raises UsageError for more."""
        found = remote_devices(device, devices, self.gpus > 0)
        if found.kind == "cuda" and found.per_run > max(1, self.gpus):
            raise UsageError(
                f"--devices {devices}: the SLURM parameters ask for {self.gpus} GPUs (gpus_per_node)."
            )
        return found

    def jobs(self, units: int) -> int:
        """All: SLURM queues them (slurm_array_parallelism limits how many run at a time)."""
        return units

    def start(self, unit: Unit) -> SlurmJob:
        """Submit a job."""
        job = self.executor.submit(UnitWork(), work_on, Order.of(unit.run), unit.makes is not None)
        return SlurmJob(job, Folder.of(unit))

    def together(self) -> AbstractContextManager[Any]:
        """One array."""
        context: AbstractContextManager[Any] = self.executor.batch()
        return context

    def working(self) -> AbstractContextManager[Any]:
        """Nothing to hold."""
        return nullcontext()

    def call(self, function: Callable[..., Any], arguments: tuple[Any, ...], label: str) -> Any:
        """Call a function of ours in one job, and wait; its result, or a Failure."""
        job = SlurmJob(self.executor.submit(UnitWork(), call, function, arguments), None)
        job.job.wait()
        return job.result()


@dataclass(frozen=True, slots=True)
class SlurmJob:
    """A unit as a job. How far it is stands in its lease."""

    job: Any
    folder: Folder | None

    @property
    def handles(self) -> tuple[Any, ...]:
        """None: it is asked once a second."""
        return ()

    def hear(self, progress: Progress) -> Any:
        """As `Placed.hear`."""
        if self.job.done():
            return self.result()
        if self.folder is not None:
            self.folder.tell(progress)
        return None

    def result(self) -> Any:
        """Of a job that has ended."""
        try:
            return self.job.result()
        except Exception as error:  # noqa: BLE001 - submitit raises what the job raised, or its own
            lines = [line.strip() for line in str(error).splitlines() if line.strip()]
            text = f"SLURM job {self.job.job_id}: {type(error).__name__}: {' '.join(lines)[:500]}"
            return Failure(text, EXIT_METHOD_FAILED, f"{error}\n")

    def stop(self) -> None:
        """Cancel the job."""
        self.job.cancel()


def open_slurm(options: Mapping[str, Any], out: Path) -> SlurmExecutor:
    """options: `cluster` (slurm, local, debug) and submitit's parameters (timeout_min, gpus_per_node,
    slurm_partition, ...). Logs go to `out/slurm`. Raises MethodError without submitit or SLURM, UsageError
    for parameters that it does not know.
    """
    # read when submitit is loaded; it inherits into the jobs
    os.environ.setdefault(SIGNAL_VARIABLE, "USR1")
    try:
        import submitit
    except ModuleNotFoundError:
        raise MethodError(
            "--executor slurm needs submitit. Install it with: pip install 'vis-bench[slurm]'"
        ) from None
    parameters = dict(options)
    cluster = parameters.pop("cluster", "slurm")
    if cluster not in CLUSTERS:
        raise UsageError(f"[slurm] cluster {cluster!r}: must be {', '.join(CLUSTERS)}.")
    requeues = parameters.pop("max_num_timeout", REQUEUES)
    if not isinstance(requeues, int) or requeues < 0:
        raise UsageError(f"[slurm] max_num_timeout {requeues!r}: a whole number is needed.")
    try:
        more = {"slurm_max_num_timeout": requeues} if cluster == "slurm" else {}
        executor = submitit.AutoExecutor(folder=out / FOLDER_NAME / "%j", cluster=cluster, **more)
        executor.update_parameters(**parameters)
    except (NameError, TypeError, ValueError, RuntimeError) as error:
        raise UsageError(f"[slurm]: {' '.join(str(error).split())[:300]}") from None
    return SlurmExecutor(executor, int(parameters.get("gpus_per_node") or 0))
