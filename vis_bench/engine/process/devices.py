"""Which devices a call of `run` uses, and which of them each run has."""

from __future__ import annotations

import os
from dataclasses import dataclass

from vis_bench.errors import UsageError

MOST_WORKERS = 8


@dataclass(frozen=True, slots=True)
class Devices:
    """kind: `cpu` or `cuda`. slots: the devices of one run each, such as ("cuda:0", "cuda:1"); runs side by
    side have different slots, unless there are more of them than slots."""

    kind: str
    slots: tuple[tuple[str, ...], ...]

    @property
    def per_run(self) -> int:
        """Devices of one run."""
        return len(self.slots[0])


def cuda_count() -> int:
    """CUDA devices that torch sees here; 0 without torch."""
    try:
        import torch
    except ModuleNotFoundError:
        return 0
    return torch.cuda.device_count() if torch.cuda.is_available() else 0


def under_launcher() -> bool:
    """Whether this process is one of several that `torchrun` has started."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1 and "RANK" in os.environ


def leads() -> bool:
    """Whether this process writes and speaks: the first of a launcher's, or the only one."""
    return not under_launcher() or os.environ["RANK"] == "0"


def choose_devices(device: str, devices: int | str = 1) -> Devices:
    """Slots of one run each.

    device: `auto` (CUDA where there is one), `cpu`, `cuda` or `cuda:N`. devices: of one run, how many, or
    their numbers (`0,2`); a launcher decides itself. What is left of a machine over its slots stays idle.
    Raises UsageError for what this machine does not have.
    """
    there = cuda_count() if device != "cpu" else 0
    if device == "auto":
        device = "cuda" if there else "cpu"
    kind, _, number = device.partition(":")
    if kind not in ("cpu", "cuda") or (number and (kind == "cpu" or not number.isdecimal())):
        raise UsageError(f"--device {device!r}: must be auto, cpu, cuda or cuda:N.")
    if under_launcher():
        own = f"cuda:{os.environ.get('LOCAL_RANK', '0')}" if kind == "cuda" else "cpu"
        return Devices(kind, ((own,) * int(os.environ["WORLD_SIZE"]),))
    numbers = _numbers(devices)
    if kind == "cpu":
        if isinstance(numbers, list):
            raise UsageError(f"--devices {devices}: CPUs have no numbers; say how many processes, such as 2.")
        return Devices(kind, (("cpu",) * numbers,))
    pool = [int(number)] if number else list(range(there))
    if isinstance(numbers, list):
        if number:
            raise UsageError(f"--device {device} --devices {devices}: name the devices once.")
        wanted = numbers
        slots = [numbers]
    else:
        wanted = pool[:numbers]
        slots = [pool[i : i + numbers] for i in range(0, len(pool) - numbers + 1, numbers)]
        if not slots:
            raise UsageError(f"--devices {devices}: {device} gives {len(pool)} CUDA devices here.")
    missing = [one for one in wanted if one >= there]
    if missing:
        raise UsageError(f"--device cuda:{missing[0]}: this machine has {there} CUDA devices.")
    return Devices(kind, tuple(tuple(f"cuda:{one}" for one in slot) for slot in slots))


def default_workers(devices: Devices) -> int:
    """Processes that read clips, for each device: none on a CPU, whose cores compute; on GPUs a share of the
    cores, at most 8."""
    if devices.kind == "cpu":
        return 0
    share = (os.cpu_count() or 1) // (len(devices.slots) * devices.per_run)
    return max(1, min(MOST_WORKERS, share))


def _numbers(devices: int | str) -> int | list[int]:
    """`2` is a count, `0,2` and `3,` are numbers of devices."""
    text = str(devices)
    try:
        found = [int(part) for part in text.split(",") if part.strip()]
    except ValueError:
        found = []
    if "," in text and found and min(found) >= 0 and len(set(found)) == len(found):
        return found
    if "," not in text and len(found) == 1 and found[0] >= 1:
        return found[0]
    raise UsageError(f"--devices {text!r}: give a count (2), or distinct numbers of devices (0,2).")
