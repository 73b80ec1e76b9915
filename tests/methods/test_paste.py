"""Pasting RoI masks into frames and cutting mask targets at boxes, against loops and grid sampling."""

import pytest
import torch
import torch.nn.functional as F
from closeness import HUNDRED_ROUNDINGS

from methods.layers.mask_targets import crop_mask_targets
from methods.layers.paste import paste_masks, paste_weights
from vis_bench.errors import UsageError


def logit(probability):
    return torch.logit(torch.as_tensor(probability))


def sampled(probability, box, size):
    """The probability at every pixel by grid sampling with zero padding, the public definition."""
    height, width = size
    x1, y1, x2, y2 = box
    x = (torch.arange(width) + 0.5 - x1) / (x2 - x1) * 2 - 1
    y = (torch.arange(height) + 0.5 - y1) / (y2 - y1) * 2 - 1
    grid = torch.stack(torch.meshgrid(y, x, indexing="ij")[::-1], dim=-1)[None]
    return F.grid_sample(probability[None, None], grid, align_corners=False)[0, 0]


@pytest.mark.parametrize(
    "box", [(3.2, 5.7, 20.4, 17.1), (-4.0, 2.0, 9.5, 30.0), (15.0, 10.0, 17.0, 11.5), (0.0, 0.0, 30.0, 24.0)]
)
def test_equals_grid_sampling(box):
    generator = torch.Generator().manual_seed(3)
    probability = torch.rand(7, 5, generator=generator)
    wanted = sampled(probability, box, (24, 30))
    for threshold in (0.1, 0.37, 0.5, 0.9):
        pasted = paste_masks(logit(probability)[None], torch.tensor([box]), (24, 30), threshold)[0]
        different = pasted != (wanted >= threshold)
        # positions of up to 30 px in cells and two sums of two weighted probabilities, the largest being 1
        assert (wanted - threshold).abs()[different].lt(HUNDRED_ROUNDINGS).all()
        assert different.sum() <= 1


def test_weights_by_hand():
    # two cells over 4 px: centres at 3 and 5; pixel centres 0.5, 1.5, 2.5 ... 7.5
    weights = paste_weights(torch.tensor([2.0]), torch.tensor([6.0]), 2, 8)[0]
    first = [0, 0.25, 0.75, 0.75, 0.25, 0, 0, 0]
    second = [0, 0, 0, 0.25, 0.75, 0.75, 0.25, 0]
    torch.testing.assert_close(weights, torch.tensor([first, second]).T)


def test_a_full_mask_fills_its_box_and_nothing_else():
    boxes = torch.tensor([[4.0, 2.0, 12.0, 9.0], [0.0, 0.0, 16.0, 12.0]])
    pasted = paste_masks(torch.full((2, 28, 28), 20.0), boxes, (12, 16))
    wanted = torch.zeros(12, 16, dtype=torch.bool)
    wanted[2:9, 4:12] = True
    assert torch.equal(pasted[0], wanted)
    assert pasted[1].all()


def test_outside_a_box_the_probability_is_zero_not_the_logit():
    # logits of zero outside would mean probability 0.5 in the whole frame
    pasted = paste_masks(torch.full((1, 2, 2), 9.0), torch.tensor([[2.0, 2.0, 4.0, 4.0]]), (8, 8))
    assert pasted.sum() == 4


def test_boxes_without_extent_or_outside_the_frame_and_no_boxes():
    boxes = torch.tensor([[3.0, 3.0, 3.0, 8.0], [5.0, 7.0, 2.0, 9.0], [40.0, 40.0, 50.0, 50.0]])
    assert not paste_masks(torch.full((3, 4, 4), 9.0), boxes, (10, 12)).any()
    assert paste_masks(torch.zeros(0, 28, 28), torch.zeros(0, 4), (10, 12)).shape == (0, 10, 12)


def test_pasting_in_parts_changes_nothing(monkeypatch):
    torch.manual_seed(0)
    logits, corner = torch.randn(5, 6, 6), torch.rand(5, 2) * 10
    boxes = torch.cat([corner, corner + 3 + torch.rand(5, 2) * 9], dim=1)
    whole = paste_masks(logits, boxes, (20, 24))
    monkeypatch.setattr("methods.layers.paste.MAX_PIXELS_AT_ONCE", 2 * 20 * 24)
    assert torch.equal(paste_masks(logits, boxes, (20, 24)), whole)
    assert whole.any(dim=(1, 2)).all()


def test_a_threshold_that_is_no_probability_is_refused():
    with pytest.raises(UsageError, match="threshold"):
        paste_masks(torch.zeros(1, 2, 2), torch.zeros(1, 4), (4, 4), 0.0)


def test_targets_are_cut_at_the_given_box_not_at_the_object():
    masks = torch.zeros(2, 16, 16, dtype=torch.bool)
    masks[0, 4:12, 4:12] = True
    masks[1, :, 8:] = True
    boxes = torch.tensor([[4.0, 4.0, 12.0, 12.0], [0.0, 4.0, 8.0, 12.0], [0.0, 0.0, 16.0, 16.0]])
    targets = crop_mask_targets(masks, torch.tensor([0, 0, 1]), boxes, 4)
    assert targets[0].eq(1).all()
    # the box starts 4 px left of the object, so that its left half is background
    assert torch.equal(targets[1], torch.tensor([[0.0, 0.0, 1.0, 1.0]]).repeat(4, 1))
    assert torch.equal(targets[2], torch.tensor([[0.0, 0.0, 1.0, 1.0]]).repeat(4, 1))


def test_a_cell_belongs_to_the_object_that_covers_half_of_it():
    masks = torch.zeros(1, 8, 8, dtype=torch.bool)
    masks[0, :, :5] = True  # cells are 4 px wide: the second is covered by a quarter
    target = crop_mask_targets(masks, torch.tensor([0]), torch.tensor([[0.0, 0.0, 8.0, 8.0]]), 2)
    assert target[0].tolist() == [[1.0, 0.0], [1.0, 0.0]]
    masks[0, :, 5] = True
    target = crop_mask_targets(masks, torch.tensor([0]), torch.tensor([[0.0, 0.0, 8.0, 8.0]]), 2)
    assert target[0].tolist() == [[1.0, 1.0], [1.0, 1.0]]


def test_targets_outside_the_frame_are_empty_and_no_boxes_give_no_targets():
    masks = torch.ones(1, 8, 8, dtype=torch.bool)
    boxes = torch.tensor([[-8.0, 0.0, 8.0, 8.0]])
    target = crop_mask_targets(masks, torch.tensor([0]), boxes, 4)
    assert torch.equal(target[0], torch.tensor([[0.0, 0.0, 1.0, 1.0]]).repeat(4, 1))
    assert crop_mask_targets(masks[:0], torch.zeros(0, dtype=torch.int64), boxes[:0], 28).shape == (0, 28, 28)


def test_target_then_paste_returns_the_mask():
    """What a perfect mask head loses: a disc of 20 px through 28 x 28 cells and back."""
    y, x = torch.meshgrid(torch.arange(48) + 0.5, torch.arange(64) + 0.5, indexing="ij")
    disc = ((x - 30.3) ** 2 + (y - 22.6) ** 2 <= 100)[None]
    box = torch.tensor([[20.0, 12.0, 41.0, 33.0]])
    target = crop_mask_targets(disc, torch.tensor([0]), box, 28)
    back = paste_masks((target - 0.5) * 40, box, (48, 64))
    assert (back & disc).sum() / (back | disc).sum() > 0.97
