"""One card as NVML knows it. The package nvidia-ml-py (module pynvml) is optional: extra `gpu`."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from vis_bench.engine.speed.own_process import OnCard

# bits of NVML's clock event reasons (nvml.h, nvmlClocksEventReasons)
REASONS = {
    0x1: "idle",
    0x2: "clocks set by the user",
    0x4: "power cap",
    0x8: "hardware slowdown",
    0x10: "synchronised boost",
    0x20: "thermal limit",
    0x40: "thermal limit of the hardware",
    0x80: "power brake",
    0x100: "display clocks",
}
HARMLESS_REASONS = 0x1 | 0x2


class NvmlMissingError(Exception):
    """NVML cannot be asked; the text says why."""


@dataclass(frozen=True, slots=True)
class CardNow:
    """One look. sm_clock_mhz, memory_clock_mhz: MHz. power_watts. temperature_celsius. reasons: NVML's bits
    for clocks below their maximum. None for what this card or driver does not tell."""

    sm_clock_mhz: int | None
    memory_clock_mhz: int | None
    power_watts: float | None
    temperature_celsius: int | None
    reasons: int | None


class Card:
    """A handle. Everything that a card does not support is None instead of an error."""

    def __init__(self, nvml: Any, handle: Any) -> None:
        self._nvml = nvml
        # a part of a card (MIG) has processes of its own, but no clock, power or temperature
        self._part = handle
        self._whole = handle
        if self._ask("nvmlDeviceIsMigDeviceHandle", handle):
            self._whole = self._ask("nvmlDeviceGetDeviceHandleFromMigDeviceHandle", handle) or handle

    def name(self) -> str | None:
        """As the driver calls it."""
        return self._ask("nvmlDeviceGetName", self._whole)

    def now(self) -> CardNow:
        """Clocks, power, temperature, and what holds the clocks down."""
        nvml, whole = self._nvml, self._whole
        milliwatts = self._ask("nvmlDeviceGetPowerUsage", whole)
        reasons = self._ask("nvmlDeviceGetCurrentClocksEventReasons", whole)
        if reasons is None:  # its name before driver 535
            reasons = self._ask("nvmlDeviceGetCurrentClocksThrottleReasons", whole)
        return CardNow(
            sm_clock_mhz=self._ask("nvmlDeviceGetClockInfo", whole, nvml.NVML_CLOCK_SM),
            memory_clock_mhz=self._ask("nvmlDeviceGetClockInfo", whole, nvml.NVML_CLOCK_MEM),
            power_watts=None if milliwatts is None else milliwatts / 1000,
            temperature_celsius=self._ask("nvmlDeviceGetTemperature", whole, nvml.NVML_TEMPERATURE_GPU),
            reasons=reasons,
        )

    def processes(self) -> list[OnCard] | None:
        """Those that compute on it now; None where the driver does not tell."""
        seen = self._ask("nvmlDeviceGetComputeRunningProcesses", self._part)
        if seen is None:
            return None
        return [OnCard(process.pid, process.usedGpuMemory) for process in seen]

    def state(self) -> dict[str, Any]:
        """What does not change while one measures: driver, limits and modes."""
        whole = self._whole
        limit = self._ask("nvmlDeviceGetEnforcedPowerLimit", whole)
        default = self._ask("nvmlDeviceGetPowerManagementDefaultLimit", whole)
        return {
            "driver": self._ask("nvmlSystemGetDriverVersion"),
            "power_limit_watts": None if limit is None else limit / 1000,
            "default_power_limit_watts": None if default is None else default / 1000,
            "sm_clock_max_mhz": self._ask("nvmlDeviceGetMaxClockInfo", whole, self._nvml.NVML_CLOCK_SM),
            "mig": _on_off(self._ask("nvmlDeviceGetMigMode", whole)),
            "ecc": _on_off(self._ask("nvmlDeviceGetEccMode", whole)),
        }

    def close(self) -> None:
        """NVML counts how often it was opened."""
        self._nvml.nvmlShutdown()

    def _ask(self, function: str, *arguments: Any) -> Any:
        call: Callable[..., Any] | None = getattr(self._nvml, function, None)
        if call is None:
            return None
        try:
            return call(*arguments)
        except self._nvml.NVMLError:
            return None


def _on_off(modes: Any) -> str | None:
    """NVML gives the mode now and the one after the next start; without support nothing."""
    return None if modes is None else ("on" if modes[0] else "off")


def open_card(uuid: str) -> Card:
    """The card with this UUID, as torch gives it: without the word before the first hyphen.

    To be closed. CUDA_VISIBLE_DEVICES renumbers the devices of CUDA and not those of NVML, hence no number.
    Raises NvmlMissingError.
    """
    try:
        nvml: Any = importlib.import_module("pynvml")
    except ModuleNotFoundError:
        raise NvmlMissingError("nvidia-ml-py is not installed: pip install 'vis-bench[gpu]'") from None
    try:
        nvml.nvmlInit()
    except nvml.NVMLError as error:
        raise NvmlMissingError(str(error)) from None
    for prefix in ("GPU-", "MIG-"):
        try:
            return Card(nvml, nvml.nvmlDeviceGetHandleByUUID(f"{prefix}{uuid}"))
        except nvml.NVMLError as error:
            reason = str(error)
    nvml.nvmlShutdown()
    raise NvmlMissingError(f"no card {uuid}: {reason}")
