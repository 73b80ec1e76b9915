"""Optimiser, learning rate and the moving average of the weights, built from a TrainConfig."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from vis_bench.method import TrainConfig

_NORMS_AND_EMBEDDINGS = (nn.modules.batchnorm._BatchNorm, nn.LayerNorm, nn.GroupNorm, nn.Embedding)


def parameter_groups(model: nn.Module, train: TrainConfig) -> list[dict]:
    """Parameters grouped by learning-rate factor (under `backbone.` or not) and weight decay.

    Parameters of normalisation and embedding layers get `norm_weight_decay` where it is set. Parameters whose
    names a module lists in an attribute `no_weight_decay`, a tuple of text, get none.
    """
    special = {
        id(parameter)
        for module in model.modules()
        if isinstance(module, _NORMS_AND_EMBEDDINGS)
        for parameter in module.parameters(recurse=False)
    }
    undecayed = {
        id(getattr(module, name))
        for module in model.modules()
        for name in getattr(module, "no_weight_decay", ())
    }
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        factor = train.backbone_lr_factor if name.startswith("backbone.") else 1.0
        decay = train.weight_decay
        if id(parameter) in special and train.norm_weight_decay is not None:
            decay = train.norm_weight_decay
        if id(parameter) in undecayed:
            decay = 0.0
        groups.setdefault((factor, decay), []).append(parameter)
    return [
        {"params": parameters, "lr_factor": factor, "weight_decay": decay}
        for (factor, decay), parameters in groups.items()
    ]


def build_optimizer(model: nn.Module, train: TrainConfig, fused_sgd: bool = False) -> torch.optim.Optimizer:
    """SGD with momentum or AdamW over `parameter_groups`. fused_sgd: as one operation; GPUs step so."""
    groups = parameter_groups(model, train)
    if train.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=train.lr, momentum=train.momentum, fused=fused_sgd or None)
    # one pass over all parameters in place of a dozen operations for each: a twentieth of a tiny iteration
    return torch.optim.AdamW(groups, lr=train.lr, fused=True)


def learning_rate(train: TrainConfig, iteration: int) -> float:
    """Learning rate of iteration 0..iterations-1: linear warm-up, then steps or half a cosine to 1 %."""
    if train.schedule == "cosine":
        progress = iteration / max(1, train.iterations)
        rate = train.lr * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * progress)))
    else:
        rate = train.lr * 0.1 ** sum(iteration >= step for step in train.lr_steps)
    if iteration < train.warmup_iterations:
        rate *= train.warmup_factor + (1 - train.warmup_factor) * iteration / train.warmup_iterations
    return rate


class MovingAverage:
    """Exponential moving average of parameters and float buffers; early steps use a smaller decay.

    The decay of step t is min(decay, (1 + t) / (10 + t)), so that the random start is forgotten.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.state: dict[str, Tensor] = {k: v.detach().clone() for k, v in model.state_dict().items()}

    @torch.no_grad()
    def update(self, model: nn.Module, step: int, unless: Tensor | None = None) -> None:
        """Take the weights after optimiser step `step` (0-based) into the average.

        unless: bool scalar on the device; where it is true the average stays as it is.
        """
        decay = min(self.decay, (1 + step) / (10 + step))
        current = model.state_dict()
        names = [name for name, value in self.state.items() if value.is_floating_point()]
        old, new = [self.state[name] for name in names], [current[name] for name in names]
        if unless is not None:
            new = [torch.where(unless, before, after) for before, after in zip(old, new, strict=True)]
        torch._foreach_lerp_(old, new, 1 - decay)
        for name, value in self.state.items():
            if not value.is_floating_point():
                value.copy_(current[name])
