"""Learning rate, parameter groups and the moving average against numbers worked out by hand."""

import pytest
import torch
from torch import nn

from vis_bench.engine.training.optimizer import (
    MovingAverage,
    build_optimizer,
    learning_rate,
    parameter_groups,
)
from vis_bench.method import TrainConfig


def config(**changes):
    base = {"iterations": 100, "batch_size": 1, "optimizer": "sgd", "lr": 0.5}
    return TrainConfig(**(base | changes))


def test_steps_multiply_by_a_tenth():
    train = config(lr_steps=(60, 80))
    assert [learning_rate(train, i) for i in (0, 59, 60, 79, 80, 99)] == pytest.approx(
        [0.5, 0.5, 0.05, 0.05, 0.005, 0.005]
    )


def test_warmup_is_linear_from_its_factor():
    train = config(warmup_iterations=10, warmup_factor=0.2)
    # 0.2 + 0.8 * i / 10 of the rate
    assert [learning_rate(train, i) for i in (0, 5, 10)] == pytest.approx([0.1, 0.3, 0.5])


def test_cosine_ends_at_one_percent():
    train = config(schedule="cosine")
    # half way: 0.01 + 0.99 * 0.5 = 0.505 of the rate
    assert [learning_rate(train, i) for i in (0, 50, 100)] == pytest.approx([0.5, 0.2525, 0.005])


class Small(nn.Module):
    def __init__(self):
        super().__init__()
        self.backbone = nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2))
        self.head = nn.Linear(2, 2)
        self.queries = nn.Embedding(3, 2)
        self.frozen = nn.Linear(2, 2).requires_grad_(False)


def test_groups_by_backbone_and_kind():
    train = config(weight_decay=0.1, norm_weight_decay=0.0, backbone_lr_factor=0.25)
    groups = {
        (group["lr_factor"], group["weight_decay"]): sum(p.numel() for p in group["params"])
        for group in parameter_groups(Small(), train)
    }
    # conv 2+2; batch norm 2+2; linear 4+2; embedding 6; the frozen layer in none
    assert groups == {(0.25, 0.1): 4, (0.25, 0.0): 4, (1.0, 0.1): 6, (1.0, 0.0): 6}


def test_a_module_can_name_parameters_that_do_not_decay():
    class Attention(nn.Module):
        no_weight_decay = ("positions",)

        def __init__(self):
            super().__init__()
            self.positions, self.values = nn.Parameter(torch.ones(3)), nn.Parameter(torch.ones(5))

    model = nn.Sequential(Attention(), nn.LayerNorm(7))
    groups = parameter_groups(model, config(weight_decay=0.1, norm_weight_decay=0.05))
    found = {group["weight_decay"]: sum(p.numel() for p in group["params"]) for group in groups}
    # layer norm: weight and bias
    assert found == {0.1: 5, 0.05: 14, 0.0: 3}


def test_optimizers():
    assert isinstance(build_optimizer(Small(), config()), torch.optim.SGD)
    assert isinstance(build_optimizer(Small(), config(optimizer="adamw")), torch.optim.AdamW)


def test_two_steps_of_adamw_by_hand():
    """Loshchilov and Hutter, Algorithm 2, with 0.9, 0.999 and 1e-8."""
    weight = nn.Parameter(torch.tensor([1.0, -2.0]))
    model = nn.ParameterDict({"weight": weight})
    optimizer = build_optimizer(model, config(optimizer="adamw", lr=0.1, weight_decay=0.01))
    value, mean, square = torch.tensor([1.0, -2.0], dtype=torch.float64), 0.0, 0.0
    for step, gradient in enumerate(([0.5, -4.0], [1.5, 2.0]), start=1):
        weight.grad = torch.tensor(gradient)
        optimizer.step()
        g = torch.tensor(gradient, dtype=torch.float64)
        mean, square = 0.9 * mean + 0.1 * g, 0.999 * square + 0.001 * g**2
        value = value * (1 - 0.1 * 0.01)
        value = value - 0.1 * (mean / (1 - 0.9**step)) / ((square / (1 - 0.999**step)).sqrt() + 1e-8)
    # weights of up to 2 are rounded by float32 in each of about ten operations of both steps
    tolerance = 20 * torch.finfo(torch.float32).eps * 2
    torch.testing.assert_close(weight.detach().double(), value, rtol=0, atol=tolerance)


def test_moving_average_by_hand():
    model = nn.Linear(1, 1, bias=False)
    nn.init.constant_(model.weight, 1.0)
    average = MovingAverage(model, decay=0.5)
    nn.init.constant_(model.weight, 2.0)
    average.update(model, step=0)  # decay min(0.5, 1/10): 0.1 * 1 + 0.9 * 2
    assert average.state["weight"].item() == pytest.approx(1.9)
    average.update(model, step=90)  # decay min(0.5, 91/100): 0.5 * 1.9 + 0.5 * 2
    assert average.state["weight"].item() == pytest.approx(1.95)


def test_moving_average_copies_counters():
    model = nn.BatchNorm2d(2)
    average = MovingAverage(model, decay=0.9)
    model(torch.randn(4, 2, 3, 3))
    average.update(model, step=0)
    assert average.state["num_batches_tracked"].item() == 1
