"""Activation checkpointing: less is kept for the backward pass, gradients and buffers stay what they were."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import pytest
import torch
from torch import Tensor, nn

from methods.layers.backbone import build_backbone
from methods.layers.backbone_config import BackboneConfig
from methods.layers.pixel_decoder import build_pixel_decoder
from methods.layers.pixel_decoder_config import PixelDecoderConfig
from methods.layers.recompute import recomputed
from vis_bench.setup.config import to_dict

IMAGES = (2, 3, 64, 96)
CHANNELS = {"res2": 16, "res3": 24, "res4": 32, "res5": 48}
SMALL = BackboneConfig(name="small", frozen_stages=0, frozen_norm=False)
BACKBONES = {
    "resnet with trained norms": BackboneConfig(frozen_stages=0, frozen_norm=False),
    "resnet with a frozen stem": BackboneConfig(frozen_stages=2, frozen_norm=False),
    "small": SMALL,
    # whole branches are left out at random
    "swin": BackboneConfig(name="swin_t", frozen_stages=0, drop_path=0.5),
}


@dataclass
class Kept:
    """Storages that autograd keeps, each once. Holds them, so that no address is given out twice."""

    tensors: dict[int, Tensor] = field(default_factory=dict)

    def pack(self, tensor: Tensor) -> Tensor:
        self.tensors[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    def bytes_besides(self, module: nn.Module) -> int:
        own = {value.untyped_storage().data_ptr() for value in (*module.parameters(), *module.buffers())}
        return sum(
            tensor.untyped_storage().nbytes() for place, tensor in self.tensors.items() if place not in own
        )


@contextmanager
def counting() -> Iterator[Kept]:
    kept = Kept()
    with torch.autograd.graph.saved_tensors_hooks(kept.pack, lambda tensor: tensor):
        yield kept


def images() -> Tensor:
    return torch.randn(IMAGES, generator=torch.Generator().manual_seed(1))


def maps() -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(2)
    return {
        name: torch.randn(2, width, 64 // stride, 96 // stride, generator=generator)
        for (name, width), stride in zip(CHANNELS.items(), (4, 8, 16, 32), strict=True)
    }


def build(name: str, checkpoint: bool) -> tuple[nn.Module, Callable[[nn.Module], Tensor]]:
    """A module in training mode with the start of seed 0, and its loss."""
    torch.manual_seed(0)
    if name == "pixel decoder":
        sizes = PixelDecoderConfig(dims=32, mask_dims=32, layers=2, heads=4, hidden=64, checkpoint=checkpoint)
        return build_pixel_decoder(sizes, CHANNELS), pixel_loss
    return build_backbone(replace(BACKBONES[name], checkpoint=checkpoint)).train(), backbone_loss


def backbone_loss(module: nn.Module) -> Tensor:
    return torch.stack([feature.square().mean() for feature in module(images()).values()]).sum()


def pixel_loss(module: nn.Module) -> Tensor:
    levels, masks = module(maps())
    return torch.stack([x.square().mean() for x in (*levels.values(), masks)]).sum()


@pytest.mark.parametrize("name", [*BACKBONES, "pixel decoder"])
def test_gradients_buffers_and_draws_are_those_of_the_plain_module(name: str) -> None:
    found = []
    for checkpoint in (False, True):
        module, loss_of = build(name, checkpoint)
        torch.manual_seed(3)
        with counting() as kept:
            loss = loss_of(module)
        loss.backward()
        gradients = {key: p.grad for key, p in module.named_parameters() if p.grad is not None}
        found.append(
            (
                loss.detach(),
                gradients,
                dict(module.named_buffers()),
                kept.bytes_besides(module),
                torch.rand(1),
            )
        )
    (plain_loss, plain, plain_buffers, plain_bytes, after), (loss, own, buffers, own_bytes, own_after) = found
    assert torch.equal(loss, plain_loss)
    assert own.keys() == plain.keys()
    largest = max(value.abs().max() for value in plain.values())
    assert largest > 0
    for key, value in plain.items():
        assert (own[key] - value).abs().max() <= 1e-6 * largest, key
    assert buffers.keys() == plain_buffers.keys()
    assert all(torch.equal(buffers[key], value) for key, value in plain_buffers.items())
    assert torch.equal(after, own_after)
    # a block keeps one map instead of five or more; the stem of the small network, not a block, keeps its own
    assert own_bytes < 0.65 * plain_bytes


@pytest.mark.parametrize("name", ["small", "resnet with trained norms"])
def test_three_steps_leave_the_same_bytes(name: str) -> None:
    states = []
    for checkpoint in (False, True):
        module, loss_of = build(name, checkpoint)
        optimizer = torch.optim.SGD(module.parameters(), lr=0.01, momentum=0.9)
        for _ in range(3):
            optimizer.zero_grad()
            loss_of(module).backward()
            optimizer.step()
        states.append(module.state_dict())
    plain, own = states
    assert {int(value) for key, value in own.items() if key.endswith("num_batches_tracked")} == {3}
    assert own.keys() == plain.keys()
    assert all(torch.equal(own[key], value) for key, value in plain.items())


def test_without_gradients_a_block_is_just_called() -> None:
    block = nn.BatchNorm2d(3)
    calls = []
    # before: the second pass ends as soon as nothing is missing
    block.register_forward_pre_hook(lambda *_: calls.append(1))
    with torch.no_grad():
        recomputed(block, block, images())
    assert calls == [1]
    recomputed(block, block, images().requires_grad_()).sum().backward()
    assert calls == [1, 1, 1]
    assert int(block.num_batches_tracked) == 2


def test_a_frozen_block_keeps_nothing() -> None:
    block = nn.Conv2d(3, 3, 1).requires_grad_(False)
    with counting() as kept:
        recomputed(block, block, images())
    assert not kept.tensors


def test_a_failure_in_the_second_pass_leaves_the_buffers_in_place() -> None:
    block = nn.BatchNorm2d(3)
    calls = []

    def fails_at_last(x: Tensor) -> Tensor:
        calls.append(1)
        y: Tensor = block(x)
        if len(calls) == 2:
            raise ArithmeticError("second pass")
        return y.exp()

    mean = block.running_mean
    result = recomputed(block, fails_at_last, images().requires_grad_())
    before = mean.clone()
    with pytest.raises(ArithmeticError, match="second pass"):
        result.sum().backward()
    assert block.running_mean is mean
    assert torch.equal(mean, before)


def test_a_configuration_that_does_not_ask_for_it_keeps_its_name() -> None:
    """Its values, so its hash, are those of before there was a switch."""
    assert "checkpoint" not in to_dict(BackboneConfig())
    assert "checkpoint" not in to_dict(PixelDecoderConfig())
    assert to_dict(BackboneConfig(checkpoint=True))["checkpoint"] is True
