"""Mixed precision: the network in bf16, losses and matching costs in 32 bit, tracking as before."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from test_shard_normalisers import clip

from methods.layers import matching
from methods.layers.full_precision import full_precision
from vis_bench.engine.process.precision import precision
from vis_bench.setup.plugins import build_method, load_spec, method_names


@dataclasses.dataclass(frozen=True)
class Pair:
    values: torch.Tensor
    words: tuple[str, ...] = ("a",)


def test_arguments_become_32_bit_and_autocast_is_off_inside() -> None:
    @full_precision
    def product(first, pairs, second=None):
        assert not torch.is_autocast_enabled("cpu")
        assert first.dtype == pairs["x"][0].values.dtype == second.dtype == torch.float32
        return first @ pairs["x"][0].values

    short = torch.ones(2, 2, dtype=torch.bfloat16)
    with precision("bf16", "cpu"):
        assert product(short, {"x": [Pair(short)]}, second=short).dtype == torch.float32
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.bfloat16


def test_without_autocast_nothing_changes() -> None:
    given = []
    whole = full_precision(lambda *values: given.extend(values))
    tensor = torch.ones(2, dtype=torch.float64)
    whole(tensor, 3)
    assert given[0] is tensor


@pytest.mark.parametrize("name", method_names())
def test_losses_and_costs_are_32_bit_and_near_those_of_fp32(name, monkeypatch) -> None:
    """bf16 has 8 digits of 2: through a dozen layers a term may be some per cent off, and random points and
    matchings another; a sum that overflowed or a cost without digits is not finite or far away."""
    torch.manual_seed(0)
    spec = load_spec(name)
    config = spec.configs["tiny"]
    model = build_method(spec, config, 3).train()
    clips = [clip(3, config.train.sampling.frames)]
    kinds = []
    assigned = matching.linear_sum_assignment
    monkeypatch.setattr(
        matching, "linear_sum_assignment", lambda cost: kinds.append(cost.dtype) or assigned(cost)
    )
    totals = []
    for word in ("fp32", "bf16"):
        torch.manual_seed(1)
        model.zero_grad()
        with precision(word, "cpu"):
            terms = model.losses(clips)
        assert {value.dtype for value in terms.values()} == {torch.float32}
        total = sum(terms.values())
        total.backward()
        gradients = [p.grad for p in model.parameters() if p.grad is not None]
        assert all(torch.isfinite(gradient).all() for gradient in gradients)
        assert {gradient.dtype for gradient in gradients} == {torch.float32}
        totals.append(total.item())
    assert totals[1] == pytest.approx(totals[0], rel=0.25)
    assert "bfloat16" not in {str(kind) for kind in kinds}
