"""Which of the processes on a GPU is this one, also inside a container, where NVML names pids of the host."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

_STATUS = Path("/proc/self/status")
# what a CUDA context and the libraries' handles take beside the memory that torch has asked for
_CONTEXT_BYTES_MAX = 3 << 30

OwnBy = Literal["pid", "memory", "assumed", "not seen"]


@dataclass(frozen=True, slots=True)
class OnCard:
    """A process on the card as NVML tells it. used_bytes: None where the driver does not say."""

    pid: int
    used_bytes: int | None


@dataclass(frozen=True, slots=True)
class Neighbours:
    """others: processes besides this one. own_by: how this one was told from them.

    `pid`: by one of its pids. `memory`: it holds what torch has reserved here and a context. `assumed`: no
    process says how much it holds, one of them has to be this one. `not seen`: NVML shows none that can be
    this one, so that others may be hidden too.
    """

    others: int
    own_by: OwnBy


def own_pids(status: Path = _STATUS) -> frozenset[int]:
    """This process's pid in every pid namespace that can be seen from here.

    Source: Linux, Documentation/filesystems/proc.rst, NSpid in /proc/<pid>/status.
    """
    try:
        lines = status.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        lines = []
    named = next((line.split()[1:] for line in lines if line.startswith("NSpid:")), [])
    return frozenset({os.getpid(), *map(int, named)})


def neighbours(seen: Sequence[OnCard], pids: Collection[int], reserved_bytes: int) -> Neighbours:
    """Tell this process from the others on its card.

    pids: its own. reserved_bytes: what torch has reserved on the card. At most one process is taken for this
    one by its memory: the one that holds least of those that hold enough.
    """
    if any(process.pid in pids for process in seen):
        return Neighbours(sum(process.pid not in pids for process in seen), "pid")
    sizes = sorted(process.used_bytes for process in seen if process.used_bytes is not None)
    if any(reserved_bytes <= size <= reserved_bytes + _CONTEXT_BYTES_MAX for size in sizes):
        return Neighbours(len(seen) - 1, "memory")
    if len(sizes) < len(seen):
        return Neighbours(len(seen) - 1, "assumed")
    return Neighbours(len(seen), "not seen")
