"""Gradients and running statistics of the shards of a step, summed in the order of the shards.

On CPUs, and where determinism is asked for, the sum is ((g0 + g1) + g2) + ... whatever process computed which
shard: all processes send each shard's values to all, and add them alike. So the number of devices changes no
byte. Elsewhere each process adds its own shards and the library adds the processes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from vis_bench.engine.training.group import Group
from vis_bench.engine.training.shards import Shards


def running_statistics(trained: nn.Module) -> list[Tensor]:
    """Running means and variances that a step in training mode updates."""
    return [
        statistic
        for module in trained.modules()
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and module.training
        for statistic in (module.running_mean, module.running_var)
        if statistic is not None
    ]


def _counted_steps(trained: nn.Module) -> list[Tensor]:
    """How often each running statistic was updated: once a step, however many shards it has."""
    return [
        module.num_batches_tracked
        for module in trained.modules()
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and module.training
        if module.num_batches_tracked is not None
    ]


@dataclass
class ShardSums:
    """The sums of one step. Call `take` after the backward pass of each own shard, in order, then `finish`.

    Every shard starts from the same running statistics, and their update is linear, so the mean of the
    results is the update by the mean of the shards' statistics.
    """

    trained: nn.Module
    shards: Shards
    group: Group
    in_order: bool
    _parameters: list[nn.Parameter] = field(init=False)
    _statistics: list[Tensor] = field(init=False)
    _before: list[Tensor] = field(init=False)
    _steps: list[tuple[Tensor, Tensor]] = field(init=False)
    _own: dict[int, tuple[Tensor | None, Tensor]] = field(init=False, default_factory=dict)
    _sum: tuple[Tensor, Tensor] | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self._parameters = [p for p in self.trained.parameters() if p.requires_grad]
        self._statistics = running_statistics(self.trained)
        self._before = [statistic.clone() for statistic in self._statistics]
        self._steps = [(steps, steps + 1) for steps in _counted_steps(self.trained)]

    @torch.no_grad()
    def take(self, shard: int, loss: Tensor) -> None:
        """Gradients and running statistics after the backward pass of a shard; loss: its total, a scalar."""
        gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in self._parameters]
        pieces = [gradient.reshape(-1) for gradient in gradients]
        pieces += [statistic.reshape(-1) for statistic in self._statistics]
        flat = torch.cat([*pieces, loss.detach().reshape(1).to(pieces[0].dtype)])
        used = torch.tensor([p.grad is not None for p in self._parameters], dtype=torch.uint8)
        for p in self._parameters:
            p.grad = None
        for statistic, before in zip(self._statistics, self._before, strict=True):
            statistic.copy_(before)
        if self.in_order and self.group.size > 1:
            self._own[shard] = (flat, used)
        else:
            self._add(flat, used)

    def _add(self, flat: Tensor, used: Tensor) -> None:
        if self._sum is None:
            self._sum = (flat, used)
        else:
            self._sum = (self._sum[0].add_(flat), self._sum[1] | used)

    @torch.no_grad()
    def finish(self) -> Tensor:
        """Put mean gradients and statistics into the model; returns the mean loss, a scalar on the device.

        A parameter that no shard used has no gradient, as in a step without shards.
        """
        if self.group.size > 1:
            self._exchange()
        assert self._sum is not None
        flat, used = self._sum
        flat.div_(self.shards.count)
        at = 0
        for parameter, was_used in zip(self._parameters, used.tolist(), strict=True):
            if was_used:
                # in the memory format of the parameter, which fused optimisers rely on
                parameter.grad = torch.empty_like(parameter)
                parameter.grad.copy_(flat[at : at + parameter.numel()].view(parameter.shape))
            at += parameter.numel()
        for statistic in self._statistics:
            statistic.copy_(flat[at : at + statistic.numel()].view(statistic.shape))
            at += statistic.numel()
        for steps, after in self._steps:
            steps.copy_(after)
        return flat[at]

    def _exchange(self) -> None:
        if not self.in_order:
            assert self._sum is not None
            self.group.add(self._sum[0])
            masks = self.group.gather(self._sum[1])
            self._sum = (self._sum[0], _union(masks))
            return
        length = sum(p.numel() for p in self._parameters) + sum(s.numel() for s in self._statistics) + 1
        like, nothing = self._parameters[0], torch.zeros(len(self._parameters), dtype=torch.uint8)
        for shard in range(self.shards.count):
            flat, used = self._own.pop(shard, (None, nothing))
            flat = like.new_empty(length) if flat is None else flat
            self.group.broadcast(flat, self.shards.owner(shard, self.group.size))
            self._add(flat, used)
        assert self._sum is not None
        self._sum = (self._sum[0], _union(self.group.gather(self._sum[1])))


def _union(masks: Sequence[Tensor]) -> Tensor:
    found = masks[0].clone()
    for mask in masks[1:]:
        found |= mask
    return found
