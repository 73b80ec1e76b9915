"""Shards: which clips and seeds, gradients and running statistics summed in one order."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from vis_bench.engine.training.group import ALONE
from vis_bench.engine.training.shards import Shards, shards_of
from vis_bench.engine.training.sums import ShardSums
from vis_bench.errors import UsageError
from vis_bench.method import TrainConfig
from vis_bench.setup.seeds import axis_seed


def test_clips_and_owners_of_shards() -> None:
    shards = shards_of(TrainConfig(iterations=1, batch_size=8, optimizer="sgd", lr=1, shard_clips=2))
    assert shards == Shards(4, 2)
    assert [list(shards.indices(80, k)) for k in range(4)] == [[80, 81], [82, 83], [84, 85], [86, 87]]
    assert [list(shards.of(rank, 3)) for rank in range(3)] == [[0, 1], [2], [3]]
    assert [shards.owner(k, 3) for k in range(4)] == [0, 0, 1, 2]
    assert shards_of(TrainConfig(iterations=1, batch_size=8, optimizer="sgd", lr=1)) == Shards(1, 8)


@pytest.mark.parametrize("clips", [3, 16, 0, -2])
def test_clips_that_do_not_divide_the_batch(clips) -> None:
    train = TrainConfig(iterations=1, batch_size=8, optimizer="sgd", lr=1, shard_clips=clips)
    if clips == 0:
        assert shards_of(train).count == 1
        return
    with pytest.raises(UsageError, match="does not divide"):
        shards_of(train)


def test_shard_0_draws_as_a_step_without_shards_did() -> None:
    assert axis_seed(3, "augmentation", 7, 0) == axis_seed(3, "augmentation", 7)
    drawn = {axis_seed(3, "augmentation", 7, shard) for shard in range(4)}
    assert len(drawn) == 4
    assert axis_seed(3, "augmentation", 7, 1) != axis_seed(3, "augmentation", 8, 0)


class Branches(nn.Module):
    """A batch norm, a weight that only some shards use, and one that none uses."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(2)
        self.sometimes, self.never = nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(2))

    def forward(self, values: torch.Tensor, branch: bool) -> torch.Tensor:
        out = self.norm(values)
        return (out * self.sometimes).square().sum() if branch else (out**4).sum()


SHARDS = [torch.tensor([[1.0, 2.0], [3.0, 6.0]]), torch.tensor([[0.0, 0.0], [8.0, 4.0]])]


def test_gradients_are_means_and_unused_weights_have_none() -> None:
    torch.manual_seed(0)
    model = Branches().double()
    sums, expected = ShardSums(model, Shards(2, 2), ALONE, in_order=True), []
    for shard, values in enumerate(SHARDS):
        loss = model(values.double(), branch=shard == 1)
        loss.backward()
        expected.append(None if model.sometimes.grad is None else model.sometimes.grad.clone())
        sums.take(shard, loss)
        assert model.sometimes.grad is None
    mean = sums.finish()
    assert expected[0] is None
    assert model.sometimes.grad.tolist() == (expected[1] / 2).tolist()
    assert model.never.grad is None
    # normalised values are -1 and 1: 4 x 1 in the first shard, and the same in the second
    assert mean.item() == pytest.approx(4, rel=1e-4)


def test_running_statistics_are_those_of_the_mean_and_count_one_step() -> None:
    """Means 2, 4 and 4, 2; unbiased variances 2, 8 and 32, 8; momentum 0.1 from 0 and 1."""
    model = Branches()
    sums = ShardSums(model, Shards(2, 2), ALONE, in_order=True)
    for shard, values in enumerate(SHARDS):
        loss = model(values, branch=True)
        loss.backward()
        sums.take(shard, loss)
        assert model.norm.running_mean.tolist() == [0, 0]
    sums.finish()
    assert model.norm.running_mean.tolist() == pytest.approx([0.3, 0.3])
    assert model.norm.running_var.tolist() == pytest.approx([0.9 + 1.7, 0.9 + 0.8])
    assert model.norm.num_batches_tracked.item() == 1


def test_frozen_statistics_stay() -> None:
    model = Branches()
    model.norm.eval()
    sums = ShardSums(model, Shards(2, 2), ALONE, in_order=True)
    for shard, values in enumerate(SHARDS):
        loss = model(values, branch=True)
        loss.backward()
        sums.take(shard, loss)
    sums.finish()
    assert model.norm.running_mean.tolist() == [0, 0]
    assert model.norm.num_batches_tracked.item() == 0


def test_gradients_keep_the_memory_format_of_their_weights() -> None:
    """Fused optimisers read both as they lie in memory."""
    model = nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last)
    sums = ShardSums(model, Shards(2, 1), ALONE, in_order=True)
    for shard in range(2):
        loss = model(torch.randn(1, 3, 8, 8)).square().sum()
        loss.backward()
        sums.take(shard, loss)
    sums.finish()
    assert model.weight.grad is not None
    assert model.weight.grad.stride() == model.weight.stride()
