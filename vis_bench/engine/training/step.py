"""One step of a training: every shard forward and backward, then the optimiser."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from vis_bench.engine.training.auxiliary import Auxiliary
from vis_bench.engine.training.group import Group
from vis_bench.engine.training.shards import Counts, Shards, mean_counts
from vis_bench.engine.training.stepping import NotFiniteError, Stepper
from vis_bench.engine.training.sums import ShardSums
from vis_bench.errors import MethodError
from vis_bench.method import Clip
from vis_bench.setup.seeds import axis_seed


@dataclass(frozen=True, slots=True)
class Trained:
    """What the steps of a phase change, and what they depend on.

    modules: all that is trained, the model and the auxiliary head. shards, group: of all processes, and
    these. device: of this process. first_iteration: of the phase. in_order: see `sums`. auxiliary_weight: of
    the loss of `extra`.
    """

    model: Any
    extra: Auxiliary | None
    modules: nn.ModuleDict
    stepper: Stepper
    shards: Shards
    group: Group
    device: str
    seed: int
    first_iteration: int
    in_order: bool
    auxiliary_weight: float


def train_step(
    trained: Trained, batches: dict[int, list[Clip]], iteration: int
) -> tuple[dict[int, dict[str, Tensor]], float]:
    """One optimiser step over all shards; returns the loss terms of the own shards, and the rate.

    batches: the clips of the own shards by their number. iteration: through all phases, from 0. Raises
    MethodError where the host has seen that the loss is not finite; see also `require_finite`.
    """
    model, stepper, shards = trained.model, trained.stepper, trained.shards
    counts = _normalisers(model, batches, shards, trained.group)
    stepper.optimizer.zero_grad(set_to_none=True)
    sums = ShardSums(trained.modules, shards, trained.group, trained.in_order) if shards.count > 1 else None
    found: dict[int, dict[str, Tensor]] = {}
    total = torch.zeros(())
    for shard, clips in batches.items():
        moved = [clip.to(trained.device) for clip in clips]
        torch.manual_seed(axis_seed(trained.seed, "augmentation", iteration + 1, shard))
        terms = model.losses(moved) if counts is None else model.losses(moved, counts)
        if trained.extra is not None:
            terms = {**terms, "auxiliary": trained.auxiliary_weight * trained.extra.loss(moved)}
        total = torch.stack(list(terms.values())).sum()
        stepper.scaled(total).backward()
        found[shard] = {name: value.detach() for name, value in terms.items()}
        if sums is not None:
            sums.take(shard, total)
    if sums is not None:
        total = sums.finish()
    try:
        rate = stepper.step(total, iteration - trained.first_iteration)
    except NotFiniteError:
        raise _not_finite(iteration, found, trained.group) from None
    return found, rate


def _normalisers(
    model: Any, batches: dict[int, list[Clip]], shards: Shards, group: Group
) -> dict[str, list[float]] | None:
    """Means over all shards of what the method divides its losses by; None for one shard, and for a method
    that divides by what it sees."""
    if shards.count == 1 or not callable(getattr(model, "normalisers", None)):
        return None
    own = {shard: model.normalisers(clips) for shard, clips in batches.items()}
    everywhere: dict[int, Counts] = {}
    for found in group.gather(own):
        everywhere |= found
    return mean_counts([everywhere[shard] for shard in range(shards.count)])


def _on_host(found: dict[int, dict[str, Tensor]]) -> dict[int, dict[str, float]]:
    """The numbers of all shards by one copy; float64 holds each of them as it is."""
    values = [value.detach().reshape(()).double() for terms in found.values() for value in terms.values()]
    numbers = iter(torch.stack(values).tolist() if values else ())
    return {shard: {name: next(numbers) for name in terms} for shard, terms in found.items()}


def mean_terms(found: dict[int, dict[str, Tensor]], group: Group) -> dict[str, float]:
    """Loss terms as means over all shards; a term that a shard lacks counts as 0 there."""
    own = _on_host(found)
    everywhere: dict[int, dict[str, float]] = {}
    for values in group.gather(own):
        everywhere |= values
    names = dict.fromkeys(name for k in sorted(everywhere) for name in everywhere[k])
    if len(everywhere) == 1:
        return next(iter(everywhere.values()))
    return {
        name: sum(everywhere[k].get(name, 0.0) for k in sorted(everywhere)) / len(everywhere)
        for name in names
    }


def require_finite(trained: Trained, iteration: int, terms: dict[int, dict[str, Tensor]]) -> None:
    """Raise MethodError where a loss since the last call was not finite.

    terms: of this step, for the message.
    """
    try:
        trained.stepper.read()
    except NotFiniteError:
        raise _not_finite(iteration, terms, trained.group) from None


def _not_finite(iteration: int, found: dict[int, dict[str, Tensor]], group: Group) -> MethodError:
    terms = f": {mean_terms(found, group)}" if found else ""
    return MethodError(f"the loss is not finite at iteration {iteration}{terms}")
