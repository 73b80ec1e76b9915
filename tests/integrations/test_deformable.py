"""Deformable attention in plain torch, by hand: what IDOL and SeqFormer call where nothing is compiled."""

from __future__ import annotations

import pytest
import torch

from vis_bench.integrations.detectron2.deformable import ms_deform_attn_forward, stand_in

# two levels of one head with one channel: [[1, 3], [5, 7]] and [[100]]
VALUE = torch.tensor([1.0, 3.0, 5.0, 7.0, 100.0]).reshape(1, 5, 1, 1)
SHAPES = torch.tensor([[2, 2], [1, 1]])
STARTS = torch.tensor([0, 4])


def attention(points, shares, value=VALUE):
    """points: for each level one (x, y); shares: for each level one weight."""
    locations = torch.tensor(points).reshape(1, 1, 1, 2, 1, 2)
    weights = torch.tensor(shares).reshape(1, 1, 1, 2, 1)
    return ms_deform_attn_forward(value, SHAPES, STARTS, locations, weights, 64).flatten().tolist()


@pytest.mark.parametrize(
    ("points", "shares", "expected"),
    [
        # the middle of the first level is the mean of its four pixels
        (((0.5, 0.5), (0.5, 0.5)), (1.0, 0.0), 4.0),
        # pixel centres lie at 0.25 and 0.75; x comes first
        (((0.75, 0.25), (0.5, 0.5)), (1.0, 0.0), 3.0),
        (((0.25, 0.75), (0.5, 0.5)), (1.0, 0.0), 5.0),
        # 0.25 * 7 + 0.75 * 100
        (((0.75, 0.75), (0.5, 0.5)), (0.25, 0.75), 76.75),
        # half of the sample lies outside, where there is nothing: (1 + 5) / 2 / 2
        (((0.0, 0.5), (0.5, 0.5)), (1.0, 0.0), 1.5),
        (((-3.0, 0.5), (0.5, 0.5)), (1.0, 0.0), 0.0),
    ],
)
def test_samples_by_hand(points, shares, expected) -> None:
    assert attention(points, shares) == pytest.approx([expected])


def test_heads_stay_apart_and_channels_stay_together() -> None:
    # head 0 has the channels (v, 2 v), head 1 has (10 v, 20 v)
    value = VALUE * torch.tensor([[1.0, 2.0], [10.0, 20.0]])
    locations = torch.tensor([[0.25, 0.25], [0.75, 0.75]]).reshape(1, 1, 2, 1, 1, 2).repeat(1, 1, 1, 2, 1, 1)
    weights = torch.tensor([1.0, 0.0]).reshape(1, 1, 1, 2, 1).repeat(1, 1, 2, 1, 1)
    found = ms_deform_attn_forward(value, SHAPES, STARTS, locations, weights, 64)
    assert found.shape == (1, 1, 4)
    assert found.flatten().tolist() == pytest.approx([1, 2, 70, 140])


def test_the_module_has_the_name_that_projects_call() -> None:
    assert stand_in().ms_deform_attn_forward is ms_deform_attn_forward
