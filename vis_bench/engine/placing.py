"""Where units are computed: what an executor has to offer to a sweep, and the one of this machine.

A unit is what `job.py` executes; an executor only places it. Others stand in `engine/executors`.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

from vis_bench.engine.job import Job, start_job, start_stage_job
from vis_bench.engine.process.busy import machine_shared
from vis_bench.engine.process.devices import Devices, choose_devices
from vis_bench.engine.process.progress import Progress
from vis_bench.engine.units import Unit


class Placed(Protocol):
    """A unit that is being computed somewhere."""

    @property
    def handles(self) -> tuple[Any, ...]:
        """What becomes ready when it says something or ends; none where it has to be asked."""
        ...

    def hear(self, progress: Progress) -> Any:
        """Pass on how far it is; its Record or StageMade, a Failure where it ended without one, None
        before."""
        ...

    def stop(self) -> None:
        """End it. What it has finished is on disk."""
        ...


class Executor(Protocol):
    """Places units. remote: whether it uses other processes than children of this one, so that this machine
    is neither busy nor has to have the devices."""

    @property
    def remote(self) -> bool: ...

    def devices(self, device: str, devices: int | str) -> Devices:
        """The devices of one run each, as `--device` and `--devices` ask for them. Raises UsageError."""
        ...

    def jobs(self, units: int) -> int:
        """How many units to hand over at a time, where the user does not say."""
        ...

    def start(self, unit: Unit) -> Placed:
        """Begin a unit, or queue it."""
        ...

    def call(self, function: Callable[..., Any], arguments: tuple[Any, ...], label: str) -> Any:
        """Call a function of ours on one worker, and wait; its result, or a Failure."""
        ...

    def together(self) -> AbstractContextManager[Any]:
        """Around several calls of `start`, which may become one submission."""
        ...

    def working(self) -> AbstractContextManager[Any]:
        """Around a whole sweep."""
        ...


class OwnProcesses:
    """Every unit in a process of its own on this machine."""

    remote = False

    def __init__(
        self,
        start: Callable[[Any], Job] | None = None,
        start_stage: Callable[[Any], Job] | None = None,
    ) -> None:
        self._start, self._start_stage = start or start_job, start_stage or start_stage_job

    def devices(self, device: str, devices: int | str) -> Devices:
        """Those of this machine."""
        return choose_devices(device, devices)

    def jobs(self, units: int) -> int:
        """The sweep counts processors and devices itself."""
        return 0

    def start(self, unit: Unit) -> Placed:
        """A process for the unit."""
        return (self._start if unit.makes is None else self._start_stage)(unit.run)

    def call(self, function: Callable[..., Any], arguments: tuple[Any, ...], label: str) -> Any:
        """Here and now; raises what the function raises."""
        return function(*arguments)

    def together(self) -> AbstractContextManager[Any]:
        """Nothing to hold."""
        return nullcontext()

    def working(self) -> AbstractContextManager[Any]:
        """No measurement of speed beside."""
        return machine_shared()
