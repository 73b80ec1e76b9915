"""Where time goes: a stack of stages, each charged with the time that no stage inside it took."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

HARNESS = "harness"
METHOD = "method"
DECODE = "decode"
TO_DEVICE = "host to device"
_SCHEDULER = Path("/proc/self/schedstat")


def seconds_in_queue() -> float | None:
    """Seconds that this process's main thread was ready and had no processor; None where it is not known.

    Other programs cause them, so they belong to the machine and not to the method. Source: Linux,
    Documentation/scheduler/sched-stats, /proc/<pid>/schedstat.
    """
    try:
        return int(_SCHEDULER.read_text(encoding="ascii").split()[1]) / 1e9
    except OSError:
        return None


def synchroniser(device: str) -> Callable[[], None]:
    """A function that waits until the device has done what it was given; nothing to wait for on a CPU."""
    if not device.startswith("cuda"):
        return lambda: None
    import torch

    return lambda: torch.cuda.synchronize(device)


class StageClock:
    """Exclusive wall-clock seconds by stage, from `start` on; `HARNESS` is the bottom of the stack.

    synchronise: called at every change of stage, so that work given to a device is charged to the stage that
    gave it; pass a function that does nothing where the device must not be slowed down.
    """

    def __init__(self, synchronise: Callable[[], None] = lambda: None) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self._synchronise = synchronise
        self._stack: list[str] = []
        self._since = 0.0

    @contextmanager
    def running(self) -> Iterator[None]:
        """Charge time while inside, first of all to `HARNESS`."""
        self._synchronise()
        self._stack = [HARNESS]
        self._since = time.perf_counter()
        try:
            yield
        finally:
            self._charge()
            self._stack = []

    def enter(self, stage: str) -> None:
        """Charge `stage` from now on."""
        self._charge()
        self._stack.append(stage)

    def leave(self) -> None:
        """Charge the stage that was charged before the last `enter`."""
        self._charge()
        self._stack.pop()

    @contextmanager
    def stage(self, stage: str) -> Iterator[None]:
        """`enter` and `leave` around a block."""
        self.enter(stage)
        try:
            yield
        finally:
            self.leave()

    def timed(self, function: Callable[..., Any], stage: str) -> Callable[..., Any]:
        """`function`, charged to `stage`; a generator is charged while it computes, not while it waits."""

        def call(*arguments: Any, **named: Any) -> Any:
            if not self._stack:
                return function(*arguments, **named)
            with self.stage(stage):
                result = function(*arguments, **named)
            return self._drive(result, stage) if isinstance(result, Generator) else result

        return call

    def _drive(self, generator: Generator[Any, Any, Any], stage: str) -> Iterator[Any]:
        while True:
            with self.stage(stage):
                try:
                    item = next(generator)
                except StopIteration:
                    return
            yield item

    def _charge(self) -> None:
        self._synchronise()
        now = time.perf_counter()
        if self._stack:
            self.seconds[self._stack[-1]] += now - self._since
        self._since = now
