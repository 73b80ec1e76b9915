"""The log of a training, which can be read while it runs: JSON lines, and TensorBoard where there is one."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vis_bench.files import append_text, write_text

TENSORBOARD_FOLDER = "tensorboard"


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One logged iteration; iterations and seconds count through all phases, `phase` is 0 for the first.

    losses: means over all shards of the step. clips_per_second, waiting_seconds (for data, of this process):
    since the last entry. device_memory_bytes: the most that was held since the start, None on a CPU.
    without_deterministic_kernel: operations that were used and have none on this device.
    """

    iteration: int
    phase: int
    rate: float
    seconds: float
    losses: Mapping[str, float]
    clips_per_second: float
    waiting_seconds: float
    device_memory_bytes: int | None = None
    without_deterministic_kernel: tuple[str, ...] = ()

    def line(self, device: str) -> dict[str, Any]:
        """What is written of it."""
        return {
            "iteration": self.iteration,
            "phase": self.phase,
            "lr": self.rate,
            "seconds": round(self.seconds, 3),
            "device": device,
            "losses": {name: round(value, 6) for name, value in self.losses.items()},
            "clips_per_second": round(self.clips_per_second, 2),
            "waiting_seconds": round(self.waiting_seconds, 3),
            "device_memory_bytes": self.device_memory_bytes,
            "without_deterministic_kernel": list(self.without_deterministic_kernel),
        }


class TrainLog:
    """train.jsonl: one JSON object per logged iteration; lines from iteration `start` on are dropped.

    device: name of what trains now; a training may go on elsewhere. writes: whether this process does.
    Where the package tensorboard is installed (extra `tensorboard`), a folder of that name beside the file
    holds the same for it.
    """

    def __init__(self, path: Path, start: int, device: str, writes: bool = True) -> None:
        self._path, self._device, self._writes = path, device, writes
        self._board = _board(path.parent / TENSORBOARD_FOLDER, start) if writes else None
        if not writes or not path.exists():
            return
        text = path.read_text(encoding="utf-8", errors="replace")
        lines = [line for line in text.splitlines() if _complete(line)]
        kept = "".join(line + "\n" for line in lines if json.loads(line)["iteration"] < start)
        if kept != text:
            write_text(path, kept)

    def write(self, entry: LogEntry) -> None:
        """Append one line."""
        if not self._writes:
            return
        append_text(self._path, json.dumps(entry.line(self._device)) + "\n")
        if self._board is not None:
            _show(self._board, entry)

    def close(self) -> None:
        """End of the training."""
        if self._board is not None:
            self._board.close()


def training_facts(log: Path) -> tuple[float | None, tuple[str, ...], tuple[str, ...]]:
    """Seconds of a training, the devices that it used in order, and its operations without a deterministic
    kernel; neither from a log that names none. Lines that are none of ours are left out."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines() if log.exists() else []
    entries = [json.loads(line) for line in lines if _complete(line)]
    devices = dict.fromkeys(entry["device"] for entry in entries if "device" in entry)
    operations = {name for entry in entries for name in entry.get("without_deterministic_kernel", ())}
    return (entries[-1]["seconds"] if entries else None), tuple(devices), tuple(sorted(operations))


def _board(folder: Path, start: int) -> Any:
    """A writer for TensorBoard that replaces what is there from iteration `start` on; None without it."""
    if importlib.util.find_spec("tensorboard") is None:
        return None
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(str(folder), purge_step=start)


def _show(board: Any, entry: LogEntry) -> None:
    values = {f"loss/{name}": value for name, value in entry.losses.items()}
    values |= {
        "loss/total": sum(entry.losses.values()),
        "rate": entry.rate,
        "speed/clips per second": entry.clips_per_second,
        "speed/seconds waiting for data": entry.waiting_seconds,
    }
    if entry.device_memory_bytes is not None:
        values["memory/device bytes"] = entry.device_memory_bytes
    for name, value in values.items():
        board.add_scalar(name, value, entry.iteration)
    board.flush()


def _complete(line: str) -> bool:
    """False for a line that a killed run left half written, or that is none of ours."""
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return False
    known = isinstance(entry, dict) and isinstance(entry.get("iteration"), int)
    return known and isinstance(entry.get("seconds"), int | float)
