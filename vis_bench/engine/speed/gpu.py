"""The GPU that a measurement runs on: its state before and after, and samples of it in between."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from statistics import median
from typing import Any

from vis_bench.engine.speed.nvml import HARMLESS_REASONS, Card, CardNow, NvmlMissingError, open_card
from vis_bench.engine.speed.own_process import neighbours, own_pids

_SAMPLE_SECONDS = 0.25
_UNKNOWN = "clocks, power, temperature, throttling and other processes are not known"


def _card(device: str) -> Card:
    import torch

    return open_card(str(torch.cuda.get_device_properties(device).uuid))


def gpu_facts(device: str) -> dict[str, Any]:
    """What can be seen now, empty on a CPU; without NVML only `unknown`, which says why.

    Keys: those of CardNow, `name`, `other_processes` and `own_process` (see Neighbours).
    """
    if not device.startswith("cuda"):
        return {}
    import torch

    try:
        card = _card(device)
    except NvmlMissingError as error:
        return {"unknown": f"{_UNKNOWN} ({error})"}
    try:
        look, seen = card.now(), card.processes()
        facts: dict[str, Any] = {
            "name": card.name(),
            "sm_clock_mhz": look.sm_clock_mhz,
            "memory_clock_mhz": look.memory_clock_mhz,
            "power_watts": look.power_watts,
            "temperature_celsius": look.temperature_celsius,
            "throttle_reasons": look.reasons or 0,
        }
    finally:
        card.close()
    if seen is not None:
        found = neighbours(seen, own_pids(), torch.cuda.memory_reserved(device))
        facts |= {"other_processes": found.others, "own_process": found.own_by}
    return facts


def gpu_state(device: str) -> dict[str, Any]:
    """What identifies the card and its software, empty on a CPU: cuDNN's version, and with NVML `driver`,
    power limits (watts), the highest clock (MHz), and whether MIG and ECC are on."""
    if not device.startswith("cuda"):
        return {}
    import torch

    state: dict[str, Any] = {"cudnn": torch.backends.cudnn.version()}
    try:
        card = _card(device)
    except NvmlMissingError:
        return state
    try:
        return {**state, **card.state()}
    finally:
        card.close()


class GpuSampler:
    """A thread that looks at the card while `watching`; `summary` says what it saw.

    A look takes the driver about a millisecond and no time of the device. Does nothing on a CPU and without
    NVML.
    """

    def __init__(self, device: str, seconds: float = _SAMPLE_SECONDS) -> None:
        self._device, self._seconds = device, seconds
        self._looks: list[CardNow] = []
        self._open = threading.Event()
        self._end = threading.Event()

    @contextmanager
    def running(self) -> Iterator[GpuSampler]:
        """Have the thread; it ends with the block."""
        try:
            card = _card(self._device) if self._device.startswith("cuda") else None
        except NvmlMissingError:
            card = None
        if card is None:
            yield self
            return
        thread = threading.Thread(target=self._look, args=(card,), name="nvml", daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._end.set()
            self._open.set()
            thread.join()
            card.close()

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Keep what is seen while inside."""
        self._open.set()
        try:
            yield
        finally:
            self._open.clear()

    def summary(self) -> dict[str, Any]:
        """See `summarised`."""
        return summarised(self._looks, self._seconds)

    def _look(self, card: Card) -> None:
        while not self._end.is_set():
            self._open.wait()
            if self._end.is_set():
                return
            look = card.now()
            # the time that is watched may have ended meanwhile
            if self._open.is_set():
                self._looks.append(look)
            self._end.wait(self._seconds)


def summarised(looks: Sequence[CardNow], every_seconds: float) -> dict[str, Any]:
    """Smallest, median and largest value of every quantity, and how often the clocks were held down.

    Keys: `samples`, `every_seconds`; `sm_clock_mhz`, `memory_clock_mhz`, `power_watts`,
    `temperature_celsius` (each [smallest, median, largest], missing where the card does not tell);
    `throttled_share`: of the samples with a reason that is not harmless; `throttle_reasons`: all bits seen.
    Empty without samples.
    """
    if not looks:
        return {}
    found: dict[str, Any] = {"samples": len(looks), "every_seconds": every_seconds}
    for name in ("sm_clock_mhz", "memory_clock_mhz", "power_watts", "temperature_celsius"):
        values = [value for look in looks if (value := getattr(look, name)) is not None]
        if values:
            found[name] = [min(values), median(values), max(values)]
    reasons = [look.reasons or 0 for look in looks]
    held = [bits for bits in reasons if bits & ~HARMLESS_REASONS]
    found["throttled_share"] = len(held) / len(looks)
    found["throttle_reasons"] = 0
    for bits in reasons:
        found["throttle_reasons"] |= bits
    return found
