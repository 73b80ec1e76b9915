"""What a worker of another engine does: one unit, exactly as a process of this machine would do it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vis_bench.engine.job import execute, make_stage
from vis_bench.engine.opened_data import open_data
from vis_bench.engine.order import Order
from vis_bench.engine.process.busy import machine_shared
from vis_bench.engine.process.devices import Devices
from vis_bench.engine.process.failure import Failure
from vis_bench.engine.process.lease import read_owner
from vis_bench.engine.process.progress import Progress, silent
from vis_bench.engine.units import Unit
from vis_bench.errors import UsageError


def work_on(order: Order, makes_stage: bool) -> Any:
    """Execute a run, or make its image stage; a Record or StageMade, or a Failure. Raises nothing of our
    own."""
    try:
        run = order.run()
        with machine_shared():
            if makes_stage:
                return make_stage(run, silent)
            return execute(run, open_data(order.settings), silent)
    except Exception as error:  # noqa: BLE001 - whoever placed the unit reports it in the run's record
        return Failure.of(error)


def call(function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    """Call a function of ours; its result, or a Failure."""
    try:
        return function(*arguments)
    except Exception as error:  # noqa: BLE001 - the caller, on another machine, says it
        return Failure.of(error)


@dataclass(frozen=True, slots=True)
class Folder:
    """Where a unit's lease lies, which says how far it is to everybody who sees the file system."""

    path: Path

    @classmethod
    def of(cls, unit: Unit) -> Folder:
        return cls(unit.run.run_dir if unit.makes is None else unit.makes.directory)

    def tell(self, progress: Progress) -> None:
        """Pass on what the lease says."""
        owner = read_owner(self.path)[1]
        if owner is not None and owner.stage:
            progress(owner.stage, owner.done, owner.of)


def remote_devices(device: str, devices: int | str, has_gpus: bool) -> Devices:
    """Devices of a worker, which sees its own alone: `cuda:0` and so on.

    has_gpus: whether `auto` means CUDA. Raises UsageError for numbers of devices, which the engine chooses.
    """
    kind, _, number = device.partition(":")
    if number or "," in str(devices):
        raise UsageError("--device cuda:N and --devices LIST: the executor chooses which; say how many.")
    if kind not in ("auto", "cpu", "cuda"):
        raise UsageError(f"--device {device!r}: must be auto, cpu or cuda.")
    if not str(devices).isdecimal() or int(devices) < 1:
        raise UsageError(f"--devices {devices!r}: a count is needed.")
    count = int(devices)
    if kind == "auto":
        kind = "cuda" if has_gpus else "cpu"
    names = tuple(f"cuda:{k}" for k in range(count)) if kind == "cuda" else ("cpu",) * count
    return Devices(kind, (names,))
