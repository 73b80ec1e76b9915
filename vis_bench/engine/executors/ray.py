"""The executor `ray`: units as tasks of a Ray cluster, which retries those of lost workers.

The folder of results has to be one that all machines see. A unit that is tried again goes on from its
checkpoint. Source: Ray documentation, `ray.remote` (num_cpus, num_gpus, memory, max_retries, max_calls) and
`ray.init`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
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

OPTIONS = {"address": "", "cpus": 1.0, "gpus": None, "memory_gb": None, "retries": 3, "resources": {}}
"""What `[ray]` may hold, with what it is otherwise. gpus: None is one for each device of a run on CUDA."""


@dataclass
class RayExecutor:
    """options: as OPTIONS. The cluster is joined when the first unit is placed, or `devices` is asked."""

    options: Mapping[str, Any]
    remote: bool = True
    _ours: bool = field(default=False, init=False)
    _per_run: int = field(default=0, init=False)

    def devices(self, device: str, devices: int | str) -> Devices:
        """As many as asked; `auto` is CUDA where the cluster has GPUs."""
        auto = device == "auto" and float(self._ray().cluster_resources().get("GPU", 0)) > 0
        found = remote_devices(device, devices, auto)
        self._per_run = found.per_run if found.kind == "cuda" else 0
        return found

    def jobs(self, units: int) -> int:
        """All: the cluster queues what does not fit."""
        return units

    def start(self, unit: Unit) -> RayTask:
        """A task of the cluster."""
        return RayTask(
            self._submit(work_on, (Order.of(unit.run), unit.makes is not None), unit.label), Folder.of(unit)
        )

    def together(self) -> AbstractContextManager[Any]:
        """Ray takes tasks one by one."""
        return nullcontext()

    @contextmanager
    def working(self) -> Iterator[None]:
        """Leaves a cluster that was started here."""
        try:
            yield
        finally:
            if self._ours:
                self._ray().shutdown()
                self._ours = False

    def call(self, function: Callable[..., Any], arguments: tuple[Any, ...], label: str) -> Any:
        """Call a function of ours on one worker, and wait; its result, or a Failure."""
        return _result(self._submit(call, (function, arguments), label), wait=True)

    def _submit(self, function: Callable[..., Any], arguments: tuple[Any, ...], label: str) -> Any:
        ray = self._ray()
        gpus = self.options["gpus"]
        wanted: dict[str, Any] = {
            "num_cpus": self.options["cpus"],
            "num_gpus": self._per_run if gpus is None else gpus,
            "max_retries": self.options["retries"],
            # a process for each unit, as on one machine: nothing of one run is left for the next
            "max_calls": 1,
            "name": label,
        }
        if self.options["memory_gb"] is not None:
            wanted["memory"] = int(self.options["memory_gb"] * 1e9)
        if self.options["resources"]:
            wanted["resources"] = dict(self.options["resources"])
        return ray.remote(**wanted)(function).remote(*arguments)

    def _ray(self) -> Any:
        ray = _ray()
        if not ray.is_initialized():
            address = self.options["address"] or None
            try:
                ray.init(address=address, log_to_driver=False, configure_logging=False)
            except (ConnectionError, ValueError, RuntimeError) as error:
                text = (str(error).splitlines() or [type(error).__name__])[0]
                raise UsageError(f"--address {address}: no Ray cluster there ({text}).") from None
            self._ours = True
        return ray


@dataclass(frozen=True, slots=True)
class RayTask:
    """A unit in a cluster. How far it is stands in its lease."""

    reference: Any
    folder: Folder

    @property
    def handles(self) -> tuple[Any, ...]:
        """None: it is asked once a second."""
        return ()

    def hear(self, progress: Progress) -> Any:
        """As `Placed.hear`."""
        found = _result(self.reference, wait=False)
        if found is None:
            self.folder.tell(progress)
        return found

    def stop(self) -> None:
        """Kill the worker; its lease goes stale, or is seen to be of a process that has ended."""
        _ray().cancel(self.reference, force=True)


def open_ray(options: Mapping[str, Any], out: Path) -> RayExecutor:
    """Raises MethodError without Ray, UsageError for options that it does not know."""
    unknown = sorted(set(options) - set(OPTIONS))
    if unknown:
        raise UsageError(f"[ray] {unknown[0]}: unknown. Known: {', '.join(OPTIONS)}.")
    _ray()
    return RayExecutor({**OPTIONS, **options})


def _result(reference: Any, wait: bool) -> Any:
    ray = _ray()
    ready, _ = ray.wait([reference], timeout=None if wait else 0)
    if not ready:
        return None
    try:
        return ray.get(reference)
    except ray.exceptions.RayError as error:
        text = f"Ray: {type(error).__name__}: {' '.join(str(error).split())[:500]}"
        return Failure(text, EXIT_METHOD_FAILED, f"{error}\n")


def _ray() -> Any:
    try:
        import ray
    except ModuleNotFoundError:
        raise MethodError("--executor ray needs Ray. Install it with: pip install 'vis-bench[ray]'") from None
    return ray
