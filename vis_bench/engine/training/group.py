"""The processes that train one model together, and what they tell each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

LEADER = 0
"""The rank that writes files and reports."""


@dataclass(frozen=True, slots=True)
class Group:
    """This process among those of one training. host: group for objects and CPU tensors; None when alone."""

    rank: int = LEADER
    size: int = 1
    host: Any = None

    @property
    def leads(self) -> bool:
        """Whether this process writes and reports."""
        return self.rank == LEADER

    def gather(self, value: Any) -> list[Any]:
        """One plain value per rank, in their order; on the host."""
        if self.size == 1:
            return [value]
        found: list[Any] = [None] * self.size
        dist.all_gather_object(found, value, group=self.host)
        return found

    def broadcast(self, tensor: Tensor, source: int) -> None:
        """Overwrite `tensor` with that of rank `source`."""
        if self.size > 1:
            dist.broadcast(tensor, src=source)

    def add(self, tensor: Tensor) -> None:
        """Replace `tensor` with the sum over all ranks, in an order that the library chooses."""
        if self.size > 1:
            dist.all_reduce(tensor)


ALONE = Group()


def join(rank: int, size: int, device: str, meeting: str | None) -> Group:
    """Meet the other processes. meeting: an address all of them know, None for the one in the environment.

    CUDA devices talk through NCCL, CPUs through gloo; plain values always go through gloo.
    """
    backend = "nccl" if device.startswith("cuda") else "gloo"
    if device.startswith("cuda"):
        torch.cuda.set_device(device)
    if meeting is None:
        dist.init_process_group(backend)
    else:
        dist.init_process_group(backend, init_method=meeting, rank=rank, world_size=size)
    host = dist.group.WORLD if backend == "gloo" else dist.new_group(backend="gloo")
    return Group(dist.get_rank(), dist.get_world_size(), host)


def leave(group: Group) -> None:
    """End what `join` began."""
    if group.size > 1 and dist.is_initialized():
        dist.destroy_process_group()
