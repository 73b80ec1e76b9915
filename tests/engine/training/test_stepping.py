"""A loss that is not finite changes neither weights nor average, whoever notices it; scaled gradients."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from vis_bench.engine.training.optimizer import MovingAverage, build_optimizer
from vis_bench.engine.training.stepping import NotFiniteError, Stepper
from vis_bench.method import TrainConfig


def made(optimizer: str, on_device: bool, clip: float | None = None) -> tuple[nn.Module, Stepper]:
    torch.manual_seed(0)
    model = nn.Linear(3, 2)
    train = TrainConfig(iterations=9, batch_size=1, optimizer=optimizer, lr=0.1, grad_clip_norm=clip)
    average = MovingAverage(model, 0.9)
    built = build_optimizer(model, train, fused_sgd=on_device)
    return model, Stepper(model, built, average, train, on_device, scale_gradients=False)


def one_step(model: nn.Module, stepper: Stepper, iteration: int, factor: float = 1.0) -> None:
    stepper.optimizer.zero_grad(set_to_none=True)
    loss = factor * model(torch.ones(1, 3)).square().sum()
    stepper.scaled(loss).backward()
    stepper.step(loss, iteration)


def values(model: nn.Module, stepper: Stepper) -> list[bytes]:
    assert stepper.average is not None
    return [t.numpy().tobytes() for t in (*model.state_dict().values(), *stepper.average.state.values())]


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
@pytest.mark.parametrize("clip", [None, 0.5])
@pytest.mark.parametrize("factor", [float("nan"), float("inf")])
def test_the_device_skips_the_step_and_says_so_when_asked(optimizer, clip, factor) -> None:
    model, stepper = made(optimizer, True, clip)
    one_step(model, stepper, 0)
    before = values(model, stepper)
    one_step(model, stepper, 1, factor)
    assert values(model, stepper) == before
    with pytest.raises(NotFiniteError):
        stepper.read()
    stepper.read()  # said once
    one_step(model, stepper, 2)
    assert values(model, stepper) != before
    stepper.read()


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_the_host_refuses_before_the_step(optimizer) -> None:
    model, stepper = made(optimizer, False)
    one_step(model, stepper, 0)
    before = values(model, stepper)
    with pytest.raises(NotFiniteError):
        one_step(model, stepper, 1, float("nan"))
    assert values(model, stepper) == before


def test_both_ways_take_the_same_steps() -> None:
    """AdamW is fused on both; SGD is one rounding apart at most (a product and a sum in one operation)."""
    for optimizer, ulps in (("adamw", 0), ("sgd", 4)):
        models = [made(optimizer, on_device) for on_device in (False, True)]
        for model, stepper in models:
            for iteration in range(3):
                one_step(model, stepper, iteration)
        (first, _), (second, _) = models
        largest = first.weight.abs().max().item()
        allowed = ulps * torch.finfo(torch.float32).eps * largest
        assert (first.weight - second.weight).abs().max().item() <= allowed


def test_scaled_gradients_are_those_of_the_loss() -> None:
    """The scale goes into the backward pass and out again before clipping and the step."""
    torch.manual_seed(0)
    model, train = nn.Linear(3, 2), TrainConfig(iterations=9, batch_size=1, optimizer="adamw", lr=0.1)
    stepper = Stepper(model, build_optimizer(model, train), None, train, False, scale_gradients=True)
    loss = model(torch.ones(1, 3)).sum()
    stepper.scaled(loss).backward()
    assert model.weight.grad is not None
    assert model.weight.grad.tolist() == [[65536.0] * 3] * 2
    before = model.weight.detach().clone()
    stepper.step(loss, 0)
    # the first step of Adam has the length of the rate, whatever the gradient
    assert (before - model.weight).detach().flatten().tolist() == pytest.approx([0.1] * 6, rel=1e-4)
