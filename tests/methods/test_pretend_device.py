"""The pretend device finds each kind of wait and every mix of devices, and computes what the CPU computes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from pretend_device import DeviceMix, PretendDevice, held
from torch import Tensor, nn
from torchvision.ops import batched_nms, nms

from methods.layers.matching import hungarian

BOXES = torch.tensor([[0.0, 0, 8, 8], [1, 1, 9, 9], [20, 20, 30, 30]])

# each is given x = [0, 1, 2] and m = x > 0 on the device, and waits once
WAITS: dict[str, Callable[[Tensor, Tensor], object]] = {
    "item": lambda x, m: x[0].item(),
    "int": lambda x, m: int(x.sum()),
    "float": lambda x, m: float(x.sum()),
    "bool": lambda x, m: bool(m.any()),
    "if": lambda x, m: 1 if m.any() else 0,
    "cpu": lambda x, m: x.cpu(),
    "to cpu": lambda x, m: x.to("cpu"),
    "numpy": lambda x, m: x.cpu().numpy(),
    "tolist": lambda x, m: x.tolist(),
    "nonzero": lambda x, m: m.nonzero(),
    "nonzero as tuple": lambda x, m: m.nonzero(as_tuple=True),
    "where": lambda x, m: torch.where(m),
    "x[mask]": lambda x, m: x[m],
    "x[mask] = number": lambda x, m: x.__setitem__(m, 5.0),
    "x[mask] = tensor": lambda x, m: x.__setitem__(m, torch.zeros(2, device=x.device)),
    "x[list]": lambda x, m: x[[0, 2]],
    "x[list] = number": lambda x, m: x.__setitem__([0, 2], 1.0),
    "x[tensor of the device] = number": lambda x, m: x.__setitem__(torch.arange(2, device=x.device), 1.0),
    "where with a tensor of the host": lambda x, m: torch.where(m, x, torch.tensor(1.0)),
    "x[array]": lambda x, m: x[np.array([0, 2])],
    "x[tensor of the host]": lambda x, m: x[torch.tensor([0, 2])],
    "x[element of the device]": lambda x, m: x[m.sum()],
    "masked_select": lambda x, m: x.masked_select(m),
    "unique": lambda x, m: x.unique(),
    "isin": lambda x, m: torch.isin(x, x[:2]),
    "equal": lambda x, m: torch.equal(x, x),
    "bincount": lambda x, m: x.long().bincount(),
    "multinomial": lambda x, m: torch.multinomial(x + 1, 1),
    "repeat_interleave": lambda x, m: x.repeat_interleave(m.long()),
    "tensor of a list": lambda x, m: torch.tensor([1.0, 2.0], device=x.device),
    "new_tensor": lambda x, m: x.new_tensor([1.0, 2.0]),
    "as_tensor of an array": lambda x, m: torch.as_tensor(np.ones(2), device=x.device),
    "to the device": lambda x, m: torch.ones(2).to(x.device),
    "to the device without pinning": lambda x, m: torch.ones(2).to(x.device, non_blocking=True),
    "pinned and waited for": lambda x, m: torch.ones(2).pin_memory().to(x.device),
    "copy from the host": lambda x, m: x.copy_(torch.ones(3)),
    "nms": lambda x, m: nms(BOXES.clone().to(x.device), x, 0.5),
}
WAITS_TWICE = {"nms", "x[list] = number"}  # the boxes of the sample, the list are uploaded

# the host goes on
FREE: dict[str, Callable[[Tensor, Tensor], object]] = {
    "arithmetic": lambda x, m: (x * 2 + 1).sum(),
    "made on the device": lambda x, m: (torch.arange(3, device=x.device), x.new_full((2,), 3.0)),
    "random": lambda x, m: (torch.rand(3, device=x.device), torch.randperm(3, device=x.device)),
    "where with values": lambda x, m: torch.where(m, x, -1.0),
    "masked_fill": lambda x, m: x.masked_fill(m, 0.0),
    "x[tensor of the device]": lambda x, m: x[torch.arange(2, device=x.device)],
    "x[tensor of the device] = tensor": lambda x, m: x.__setitem__(
        torch.arange(2, device=x.device), x.new_ones(())
    ),
    "slices": lambda x, m: (x[1:], x[0], x[None], x.__setitem__(slice(0, 2), 3.0)),
    "length": lambda x, m: (len(x), x.shape[0], x.numel()),
    "sort": lambda x, m: (x.argsort(), x.topk(2), x.max(0)),
    "repeat_interleave by a number": lambda x, m: x.repeat_interleave(2),
    "scalar of the host": lambda x, m: x + torch.tensor(1.0),
    "pinned": lambda x, m: torch.ones(2).pin_memory().to(x.device, non_blocking=True),
}

MIXES: dict[str, Callable[[Tensor], object]] = {
    "add": lambda x: x + torch.ones(3),
    "cat": lambda x: torch.cat((x, torch.ones(3))),
    "where": lambda x: torch.where(torch.ones(3, dtype=torch.bool), x, x),
    "matrix product": lambda x: x[None] @ torch.ones(3, 2),
    "linear": lambda x: nn.Linear(3, 2)(x),
    "write": lambda x: x.index_add_(0, torch.zeros(1, dtype=torch.int64), x[:1]),
}


@pytest.fixture
def device() -> PretendDevice:
    return PretendDevice()


def sample(device: PretendDevice) -> tuple[Tensor, Tensor]:
    x = torch.tensor([0.0, 1.0, 2.0])
    return device.place(x), device.place(x > 0)


@pytest.mark.parametrize("name", WAITS)
def test_a_wait_is_found(name: str, device: PretendDevice) -> None:
    x, mask = sample(device)
    with device:
        WAITS[name](x, mask)
    assert len(device.transfers) == 1 + (name in WAITS_TWICE), device.report()
    assert all("test_pretend_device.py" in transfer.place for transfer in device.transfers)


@pytest.mark.parametrize("name", FREE)
def test_what_needs_no_wait_is_not_counted(name: str, device: PretendDevice) -> None:
    x, mask = sample(device)
    with device:
        FREE[name](x, mask)
    assert not device.transfers, device.report()


@pytest.mark.parametrize("name", MIXES)
def test_a_mix_of_devices_is_refused(name: str, device: PretendDevice) -> None:
    x, _ = sample(device)
    with device, pytest.raises(DeviceMix, match="mixes devices"):
        MIXES[name](x)


def test_numpy_of_a_device_tensor_is_refused_as_on_a_gpu(device: PretendDevice) -> None:
    x, _ = sample(device)
    with device, pytest.raises(TypeError, match="numpy"):
        x.numpy()


def test_the_constant_that_batched_nms_uploads_is_found(device: PretendDevice) -> None:
    x, _ = sample(device)
    boxes, groups = device.place(BOXES), device.place(torch.zeros(3, dtype=torch.int64))
    with device:
        kept = batched_nms(boxes, x, groups, 0.5)
    assert [transfer.kind for transfer in device.transfers] == ["upload of a tensor", "nms"]
    assert torch.equal(held(kept), batched_nms(BOXES, held(x), held(groups), 0.5))


def test_values_of_lists_and_elements_are_those_of_the_cpu(device: PretendDevice) -> None:
    x, mask = sample(device)
    with device:
        made = torch.tensor([3.0, 4.0], device=x.device)
        x[[0, 1]] = made
        picked, chosen = x[mask], x[mask.sum()]
        x[0] = 7.0
    assert held(made).tolist() == [3.0, 4.0]
    assert held(picked).tolist() == [4.0, 2.0]
    assert float(held(chosen)) == 2.0
    assert held(x).tolist() == [7.0, 4.0, 2.0]


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(144, 2))


def test_gradients_and_buffers_are_those_of_the_cpu(device: PretendDevice) -> None:
    images, plain, placed = torch.randn(2, 3, 8, 8), network(), device.place(network())
    plain(images).square().sum().backward()
    with device:
        loss = placed(device.place(images)).square().sum()
        assert loss.device.type != "cpu"
        loss.backward()
    assert not device.transfers, device.report()
    for own, other in zip(plain.parameters(), placed.parameters(), strict=True):
        torch.testing.assert_close(held(other.grad), own.grad)
    for own, other in zip(plain.buffers(), placed.buffers(), strict=True):
        torch.testing.assert_close(held(other), own)


def test_what_autograd_does_for_a_mask_is_counted(device: PretendDevice) -> None:
    x, mask = sample(device)
    with device:
        weight = x.clone().requires_grad_()
        weight[mask].sum().backward()
    assert [transfer.kind for transfer in device.transfers] == ["reading by a mask", "writing by a mask"]


def test_the_backward_pass_of_a_product_is_counted(device: PretendDevice) -> None:
    x, _ = sample(device)
    with device:
        x.prod()
        assert not device.transfers
        x.clone().requires_grad_().prod().backward()
    assert len(device.transfers) == 1


def test_shared_weights_stay_shared(device: PretendDevice) -> None:
    first = nn.Linear(2, 2)
    second = nn.Linear(2, 2)
    second.weight = first.weight
    both = device.place(nn.Sequential(first, second))
    assert both[0].weight is both[1].weight


@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode])
def test_tracking_modes_are_counted_too(context: Callable, device: PretendDevice) -> None:
    x, mask = sample(device)
    with context(), device:
        values = x[None][0].cpu().numpy()
        x[mask]
    assert values.tolist() == [0.0, 1.0, 2.0]
    assert len(device.transfers) == 2, device.report()


def test_the_line_in_our_code_is_named(device: PretendDevice) -> None:
    cost = device.place(torch.rand(3, 2))
    with device:
        hungarian(cost)
    assert device.transfers
    assert all(transfer.place.startswith("methods/layers/") for transfer in device.transfers), device.report()
    assert device.transfers[0].place in device.report()
    device.clear()
    assert device.report() == "0 transfers"
