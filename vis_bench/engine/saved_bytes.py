"""How many bytes autograd keeps for a backward pass, without keeping them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import torch
from torch import Tensor, nn
from torch.multiprocessing.reductions import StorageWeakRef


@contextmanager
def saved_bytes(model: nn.Module) -> Iterator[list[int]]:
    """Count what autograd would keep of the forward passes inside: one number, of bytes.

    Every storage counts once; parameters and buffers of the model are left out, since they are there anyway.
    The tensors are dropped at once, so that a shard of any size can be counted in the memory of its largest
    layers; a backward pass inside is refused with a RuntimeError.
    """
    own = {value.untyped_storage().data_ptr() for value in (*model.parameters(), *model.buffers())}
    seen: dict[int, StorageWeakRef] = {}
    total = [0]

    def pack(tensor: Tensor) -> int:
        storage = tensor.untyped_storage()
        place = storage.data_ptr()
        known = seen.get(place)
        # an address is given out again once its storage is gone
        if place not in own and (known is None or known.expired()):
            seen[place] = StorageWeakRef(storage)
            total[0] += storage.nbytes()
        return 0

    def refuse(_: int) -> NoReturn:
        raise RuntimeError("What a backward pass needs was counted, not kept.")

    with torch.autograd.graph.saved_tensors_hooks(pack, refuse):
        yield total
