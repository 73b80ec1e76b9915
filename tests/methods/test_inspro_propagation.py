"""What is carried from frame to frame: Eq 1 by hand, the bank, the initial boxes."""

import math

import pytest
import torch
from closeness import HUNDRED_ROUNDINGS
from hypothesis import given
from hypothesis import strategies as st

from methods.inspro.propagation import IntraQueryAttention
from methods.layers.proposals import grid_proposals, image_proposals


def attention(length, weight):
    module = IntraQueryAttention(1, length)
    with torch.no_grad():
        module.score.weight.fill_(weight)
        module.score.bias.zero_()
    return module


def run(module, values):
    """Feed one slot of width 1 per value; returns the outputs."""
    bank, outputs = (), []
    for value in values:
        query, bank = module(torch.tensor([[[value]]]), bank)
        outputs.append(query.item())
    return outputs


def test_equation_1_by_hand_with_equal_weights():
    # mean over what the bank holds, plus the feature itself
    assert run(attention(3, 0.0), [2.0, 4.0, 9.0, 1.0]) == pytest.approx([4.0, 7.0, 14.0, 14 / 3 + 1])


def test_equation_1_by_hand_with_softmax_over_time():
    ones = math.exp(1) / (math.exp(1) + math.exp(3))
    expected = ones * 1 + (1 - ones) * 3 + 3
    assert run(attention(18, 1.0), [1.0, 3.0])[1] == pytest.approx(expected, rel=HUNDRED_ROUNDINGS)


def test_slots_do_not_mix():
    module = attention(4, 0.7)
    torch.manual_seed(0)
    features = torch.randn(3, 2, 5, 1)
    bank, changed_bank = (), ()
    for step in features:
        out, bank = module(step, bank)
        changed = step.clone()
        changed[:, 1:] = 99.0
        changed_out, changed_bank = module(changed, changed_bank)
        torch.testing.assert_close(out[:, 0], changed_out[:, 0])


def test_one_frame_bypasses_and_has_no_parameters():
    module = IntraQueryAttention(4, 1)
    features = torch.randn(1, 3, 4)
    query, bank = module(features, ())
    assert query is features
    assert bank == ()
    assert list(module.parameters()) == []


def test_bank_stores_features_not_outputs_and_at_most_t():
    module = IntraQueryAttention(4, 3)
    torch.manual_seed(1)
    features = torch.randn(5, 1, 2, 4)
    bank = ()
    for step in features:
        _, bank = module(step, bank)
    assert len(bank) == 2
    assert torch.equal(bank[0], features[3])
    assert torch.equal(bank[1], features[4])


def test_gradients_reach_features_of_past_frames():
    module = IntraQueryAttention(4, 3)
    first = torch.randn(1, 2, 4, requires_grad=True)
    _, bank = module(first, ())
    query, _ = module(torch.randn(1, 2, 4), bank)
    query.sum().backward()
    assert (first.grad != 0).any()


def test_per_channel_weights_differ_over_channels():
    module = IntraQueryAttention(2, 2, per_channel=True)
    with torch.no_grad():
        module.score.weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 0.0]]))
        module.score.bias.zero_()
    _, bank = module(torch.tensor([[[0.0, 0.0]]]), ())
    query, _ = module(torch.tensor([[[2.0, 2.0]]]), bank)
    assert query[0, 0, 0].item() == pytest.approx(2 / (1 + math.exp(-2)) + 2, rel=HUNDRED_ROUNDINGS)
    assert query[0, 0, 1].item() == pytest.approx(1 + 2)


@given(st.integers(1, 60))
def test_grid_covers_the_frame_with_the_asked_number_of_boxes(count):
    boxes = grid_proposals(count)
    assert boxes.shape == (count, 4)
    assert len({tuple(box) for box in boxes.tolist()}) == count
    assert ((boxes > 0) & (boxes <= 1)).all()
    # every point of the frame lies in some box
    points = torch.cartesian_prod(torch.linspace(0, 1, 9), torch.linspace(0, 1, 9))
    inside = ((points[:, None] - boxes[None, :, :2]).abs() <= boxes[None, :, 2:] / 2 + 1e-6).all(-1)
    assert inside.any(1).all()


def test_image_proposals():
    assert image_proposals(2).tolist() == [[0.5, 0.5, 1, 1]] * 2
