"""What is logged of a step comes to the host in one copy, whatever its shards and terms, and unchanged."""

from __future__ import annotations

import torch
from pretend_device import PretendDevice

from vis_bench.engine.training.group import ALONE
from vis_bench.engine.training.step import mean_terms

SHARDS, TERMS = 4, 5


def test_the_terms_of_all_shards_take_one_copy() -> None:
    device = PretendDevice()
    found = {
        shard: {str(term): device.place(torch.tensor(0.1 * shard + term)) for term in range(TERMS)}
        for shard in range(SHARDS)
    }
    with device:
        means = mean_terms(found, ALONE)
    assert len(device.transfers) == 1, device.report()
    for term in range(TERMS):
        values = [torch.tensor(0.1 * shard + term).item() for shard in range(SHARDS)]
        assert means[str(term)] == sum(values) / SHARDS


def test_numbers_are_those_of_item() -> None:
    terms = {
        "third": torch.tensor(1 / 3),
        "half": torch.tensor(1 / 3, dtype=torch.float16),
        "brain": torch.tensor(1 / 3, dtype=torch.bfloat16),
        "large": torch.tensor(3e38),
        "least": torch.tensor(1e-45),
        "double": torch.tensor(0.1, dtype=torch.float64),
        "none": torch.tensor(float("inf")),
        "one": torch.tensor([0.7]),
    }
    assert mean_terms({0: terms}, ALONE) == {name: value.item() for name, value in terms.items()}
    # a term that a shard lacks counts as 0 there
    assert mean_terms({0: terms, 1: {}}, ALONE)["third"] == terms["third"].item() / 2
    assert mean_terms({}, ALONE) == {}
