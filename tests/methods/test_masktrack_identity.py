"""The shared tracking head and its softmax over identities, by hand."""

from __future__ import annotations

import math

import pytest
import torch
from closeness import HUNDRED_ROUNDINGS

from methods.layers.embed_head import EmbedHead
from methods.layers.identity_loss import identity_logits, identity_loss


def test_the_head_of_the_paper_has_its_size() -> None:
    with torch.device("meta"):
        head = EmbedHead(7 * 7 * 256, 1024)
    assert sum(p.numel() for p in head.parameters()) == 13_895_680
    assert head.width == 1024


def test_head_by_hand_has_a_relu_between_and_none_at_the_end() -> None:
    head = EmbedHead(4, 2, width=1)
    with torch.no_grad():
        head.first.weight.copy_(torch.tensor([[1.0, 0, 0, 0], [0, 0, 0, 1.0]]))
        head.second.weight.copy_(torch.tensor([[2.0, -3.0]]))
    # hidden (2, -5) -> (2, 0) -> 4; hidden (-2, 5) -> (0, 5) -> -15, which a final ReLU would cut
    region = torch.tensor([[2.0, 9, 9, -5], [-2.0, 9, 9, 5]])
    assert head(region).tolist() == [[4.0], [-15.0]]
    assert head(region.view(2, 1, 2, 2)).tolist() == [[4.0], [-15.0]]
    assert head(region[:0]).shape == (0, 1)


def test_head_starts_at_small_weights_and_zero_bias() -> None:
    torch.manual_seed(0)
    head = EmbedHead(400, 300)
    for layer in (head.first, head.second):
        assert layer.weight.std().item() == pytest.approx(0.01, rel=0.02)
        assert not layer.bias.any()


def test_logits_put_new_first() -> None:
    got = identity_logits(torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0, 0.0], [0.0, -1.0]]))
    assert got.tolist() == [[0.0, 3.0, -2.0]]
    assert identity_logits(torch.ones(1, 2), torch.zeros(1, 2), dummy_logit=4.0).tolist() == [[4.0, 0.0]]


def test_loss_by_hand() -> None:
    embeddings = torch.tensor([[1.0, 0.0], [0.0, 3.0]])
    memory = torch.tensor([[2.0, 0.0], [0.0, -1.0]])  # objects 5 and 4
    got = identity_loss(embeddings, torch.tensor([5, 9]), memory, torch.tensor([5, 4]))
    known = -math.log(math.exp(2) / (1 + math.exp(2) + math.exp(0)))
    absent = -math.log(1 / (1 + math.exp(0) + math.exp(-3)))  # object 9 is not in the reference: column 0
    assert got.item() == pytest.approx((known + absent) / 2, rel=HUNDRED_ROUNDINGS)


def test_dummy_logit_counts() -> None:
    got = identity_loss(
        torch.ones(1, 1), torch.tensor([0]), torch.tensor([[2.0]]), torch.tensor([0]), dummy_logit=1.0
    )
    wanted = -math.log(math.exp(2) / (math.exp(1) + math.exp(2)))
    assert got.item() == pytest.approx(wanted, rel=HUNDRED_ROUNDINGS)


def test_loss_teaches_both_frames() -> None:
    embeddings, memory = torch.ones(1, 2, requires_grad=True), torch.ones(2, 2, requires_grad=True)
    identity_loss(embeddings, torch.tensor([1]), memory, torch.tensor([0, 1])).backward()
    assert embeddings.grad is not None
    assert memory.grad is not None
    # the gradient of a logit is p - target: p(1) = p(2) = e^2 / (1 + 2 e^2)
    p = math.exp(2) / (1 + 2 * math.exp(2))
    assert memory.grad[:, 0].tolist() == pytest.approx([p, p - 1], rel=HUNDRED_ROUNDINGS)


def test_empty_sides_are_numbers() -> None:
    none = torch.zeros(0, dtype=torch.int64)
    memory = torch.ones(1, 2, requires_grad=True)
    nothing = identity_loss(torch.zeros(0, 2, requires_grad=True), none, memory, torch.tensor([3]))
    nothing.backward()
    assert nothing.item() == 0
    assert memory.grad is not None
    # an empty reference leaves one column, hence certainty
    assert identity_loss(torch.ones(2, 2), torch.tensor([0, 1]), torch.zeros(0, 2), none).item() == 0
