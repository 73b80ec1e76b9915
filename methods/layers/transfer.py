"""Few, large copies between host and device: each makes the host wait for everything asked for before.

Sizes are known before the copy: what depends on values (which objects are visible, who is matched to whom) is
decided on the host, from one copy of everything that the decision needs, and goes to the device in one more.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def to_host(*tensors: Tensor) -> list[Tensor]:
    """The tensors on the CPU, without gradient, by one copy; the tensors themselves where they are there.

    tensors: any shapes and dtypes, all on one device. Values are not changed.
    """
    plain = [tensor.detach() for tensor in tensors]
    if not plain or plain[0].device.type == "cpu":
        return plain
    return _unpacked(_packed(plain).cpu(), plain)


def to_device(*tensors: Tensor, device: torch.device) -> list[Tensor]:
    """Tensors of the CPU on `device`, by one copy; the tensors themselves where that is the CPU.

    tensors: any shapes and dtypes. Nothing is copied for no tensors.
    """
    if not tensors or device.type == "cpu":
        return list(tensors)
    return _unpacked(_packed(tensors).to(device), tensors)


def constant(values: Sequence[float], device: torch.device, dtype: torch.dtype = torch.float32) -> Tensor:
    """A few numbers of the program as a tensor [n], made on the device: `torch.tensor` would upload them."""
    if device.type == "cpu":
        return torch.tensor(list(values), dtype=dtype)
    return torch.stack([torch.full((), value, dtype=dtype, device=device) for value in values])


def _by_width(tensors: Sequence[Tensor]) -> list[int]:
    """Numbers of the tensors, wide elements first, so that each part starts at a multiple of its width."""
    return sorted(range(len(tensors)), key=lambda i: -tensors[i].element_size())


def _packed(tensors: Sequence[Tensor]) -> Tensor:
    """All bytes in a row."""
    ordered = [tensors[i].contiguous().view(-1) for i in _by_width(tensors)]
    return torch.cat([flat.view(torch.uint8) for flat in ordered])


def _unpacked(data: Tensor, like: Sequence[Tensor]) -> list[Tensor]:
    """Inverse of `_packed`, as views of `data`."""
    parts: dict[int, Tensor] = {}
    start = 0
    for i in _by_width(like):
        end = start + like[i].numel() * like[i].element_size()
        parts[i] = data[start:end].view(like[i].dtype).view(like[i].shape)
        start = end
    return [parts[i] for i in range(len(like))]
