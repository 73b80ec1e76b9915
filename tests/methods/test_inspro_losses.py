"""Loss terms of InsPro against numbers worked out by hand."""

import math

import pytest
import torch
from closeness import HUNDRED_ROUNDINGS

from methods.inspro.config import LossWeights
from methods.inspro.losses import (
    Targets,
    box_losses,
    classification_loss,
    deduplication,
    deduplication_loss,
    frame_weights,
    mask_losses,
    stack_targets,
)
from vis_bench.method import Clip

LN2 = math.log(2)
OBJECT = torch.tensor([[0.0, 0.0, 200.0, 40.0]])  # centre (100, 20), diagonal squared 41,600


def dedup(boxes, unmatched, beta=0.1, count=5):
    return deduplication(OBJECT, torch.tensor([boxes]), torch.tensor([unmatched]), beta, count)[0, 0].item()


def targets(boxes, visible, labels, sizes=((100, 200),)):
    shape = (*visible.shape, 8, 8)
    return Targets(labels, boxes, visible, torch.tensor(sizes), torch.zeros(shape, dtype=torch.bool))


def test_dedup_box_without_overlap_counts():
    # 20 x 20 box 2 px below the object: centre distance 32 px
    value = dedup([[90.0, 42.0, 110.0, 62.0]], [True], count=1)
    assert value == pytest.approx(0.1 - 32**2 / 41_600, rel=HUNDRED_ROUNDINGS)
    assert value == pytest.approx(0.075, abs=5e-4)  # as rounded in the text


def test_dedup_keeps_the_divisor_with_fewer_boxes_than_k():
    wanted = pytest.approx((0.1 - 1024 / 41_600) / 5, rel=HUNDRED_ROUNDINGS)
    assert dedup([[90.0, 42.0, 110.0, 62.0]], [True]) == wanted
    assert dedup([[90.0, 42.0, 110.0, 62.0]], [False]) == 0


def test_dedup_takes_the_k_largest_overlaps_among_unmatched_boxes():
    # centres (100, 20), (100, 30), (100, 40): shifted copies; k = 2 keeps the two with the largest IoU
    boxes = [[0.0, 20.0, 200.0, 60.0], [0.0, 0.0, 200.0, 40.0], [0.0, 10.0, 200.0, 50.0]]
    expected = (0.1 + (0.1 - 100 / 41_600)) / 2
    assert dedup(boxes, [True, True, True], count=2) == pytest.approx(expected, rel=HUNDRED_ROUNDINGS)
    expected = ((0.1 - 400 / 41_600) + (0.1 - 100 / 41_600)) / 2
    assert dedup(boxes, [True, False, True], count=2) == pytest.approx(expected, rel=HUNDRED_ROUNDINGS)


def test_dedup_hinge_uses_the_diagonal_of_the_object():
    # a huge box centred 70 px away: 4900 / 41600 > 0.1, so nothing is pushed, although 4900 is far below
    # a tenth of the huge box's own diagonal squared
    assert dedup([[-330.0, -380.0, 670.0, 420.0]], [True]) == 0


def test_dedup_gradient_reaches_unmatched_boxes_only_and_pushes_them_away():
    boxes = torch.tensor([[[0.0, 0.0, 200.0, 40.0], [10.0, 0.0, 210.0, 40.0]]], requires_grad=True)
    deduplication(OBJECT, boxes, torch.tensor([[False, True]]), 0.1, 5).sum().backward()
    assert boxes.grad[0, 0].tolist() == [0, 0, 0, 0]
    # the second box lies to the right; descending moves it further to the right
    assert boxes.grad[0, 1, 0] < 0
    assert boxes.grad[0, 1, 2] < 0


def test_dedup_loss_averages_over_objects_and_frames_and_sums_over_stages():
    # two stages, two frames, one clip, two slots; slot 0 matched, slot 1 exactly on the object
    boxes = OBJECT.view(1, 1, 1, 1, 4).repeat(2, 2, 1, 2, 1)
    slots = torch.zeros(2, 2, 1, 1, dtype=torch.int64)
    goal = targets(OBJECT.view(1, 1, 1, 4).repeat(2, 1, 1, 1), torch.ones(2, 1, 1, dtype=torch.bool), LABEL)
    value = deduplication_loss(boxes, slots, goal, LossWeights())
    assert value.item() == pytest.approx(2 * (2 * 0.1 / 5) / 2, rel=HUNDRED_ROUNDINGS)
    # a reserved slot whose object is absent counts as unmatched, but an absent object pushes nothing
    goal = targets(goal.boxes, torch.tensor([[[True]], [[False]]]), LABEL)
    slots[:, 1] = -1
    alone = deduplication_loss(boxes, slots, goal, LossWeights()).item()
    assert alone == pytest.approx(0.02, rel=HUNDRED_ROUNDINGS)


LABEL = torch.tensor([[1]])


def test_frame_weights_divide_by_objects_of_the_frame_and_by_frames():
    visible = torch.zeros(3, 2, 4, dtype=torch.bool)
    visible[0, 0, :3] = visible[0, 1, 0] = visible[1, 1, 2] = True
    goal = targets(torch.zeros(3, 2, 4, 4), visible, torch.zeros(2, 4, dtype=torch.int64))
    assert frame_weights(goal).tolist() == pytest.approx([1 / 12, 1 / 3, 1 / 3])


def test_classification_by_hand():
    # probability 0.5 everywhere: 0.25 * 0.25 ln2 where the class is right, 0.75 * 0.25 ln2 elsewhere
    logits = torch.zeros(1, 1, 1, 3, 2)
    goal = targets(OBJECT.view(1, 1, 1, 4), torch.ones(1, 1, 1, dtype=torch.bool), LABEL)
    slots = torch.tensor([[[[2]]]])
    expected = 0.0625 * LN2 + 5 * 0.1875 * LN2
    assert classification_loss(logits, slots, goal).item() == pytest.approx(expected, rel=HUNDRED_ROUNDINGS)
    ignored = torch.tensor([[[True, False, False]]])
    expected -= 2 * 0.1875 * LN2
    assert classification_loss(logits, slots, goal, ignored).item() == pytest.approx(
        expected, rel=HUNDRED_ROUNDINGS
    )


def test_classification_rewards_the_matched_slot_and_its_label():
    goal = targets(OBJECT.view(1, 1, 1, 4), torch.ones(1, 1, 1, dtype=torch.bool), LABEL)
    slots = torch.tensor([[[[2]]]])
    right = torch.full((1, 1, 1, 3, 2), -10.0)
    right[..., 2, 1] = 10.0
    wrong = torch.full((1, 1, 1, 3, 2), -10.0)
    wrong[..., 2, 0] = 10.0
    assert classification_loss(right, slots, goal) < 1e-4
    assert classification_loss(wrong, slots, goal) > 5


def test_box_losses_by_hand():
    goal = targets(
        torch.tensor([[[[0.0, 0.0, 100.0, 50.0]]], [[[0.0, 0.0, 100.0, 50.0]]]]),
        torch.tensor([[[True]], [[False]]]),
        LABEL,
    )
    boxes = torch.tensor([0.0, 0.0, 100.0, 100.0]).expand(1, 2, 1, 3, 4)
    slots = torch.tensor([[[[1]], [[-1]]]])
    l1, giou = box_losses(boxes, slots, goal)
    # frame 1 of 2 is empty: half weight; 50 px of a height of 100 px; GIoU 0.5
    assert l1.item() == pytest.approx(0.25)
    assert giou.item() == pytest.approx(0.25)


def test_mask_losses_by_hand():
    # x = 0.5 on 4 pixels, one of them foreground: dice 1 - 2 * 0.5 / (4 * 0.25 + 1) = 0.5
    wanted = torch.tensor([[[True, False], [False, False]]])
    dice, focal = mask_losses(torch.zeros(1, 2, 2), wanted, torch.tensor([0.5]))
    assert dice.item() == pytest.approx(0.25, abs=1e-5)  # 1e-5 is added to the denominator of 2
    assert focal.item() == pytest.approx(0.5 * (0.0625 + 3 * 0.1875) * LN2 / 4, rel=HUNDRED_ROUNDINGS)


def test_no_object_at_all_leaves_only_the_background_term():
    goal = targets(torch.zeros(1, 1, 0, 4), torch.zeros(1, 1, 0, dtype=torch.bool), LABEL[:, :0])
    slots = torch.zeros(1, 1, 1, 0, dtype=torch.int64)
    boxes = torch.rand(1, 1, 1, 3, 4, requires_grad=True)
    assert classification_loss(torch.zeros(1, 1, 1, 3, 2), slots, goal) > 0
    assert sum(float(term.detach()) for term in box_losses(boxes, slots, goal)) == 0
    assert float(deduplication_loss(boxes, slots, goal, LossWeights()).detach()) == 0
    assert [
        float(x) for x in mask_losses(torch.zeros(0, 2, 2), torch.zeros(0, 2, 2) > 0, torch.zeros(0))
    ] == [
        0,
        0,
    ]


def make_clip(objects, height, width, frames=2):
    masks = torch.zeros(frames, objects, height, width, dtype=torch.bool)
    masks[:, :, 4:8, 8:12] = True
    boxes = torch.tensor([8.0, 4.0, 12.0, 8.0]).expand(frames, objects, 4)
    return Clip(
        torch.zeros(frames, 3, height, width, dtype=torch.uint8),
        torch.arange(objects),
        masks,
        boxes,
        torch.ones(frames, objects, dtype=torch.bool),
    )


def test_targets_of_different_clips_are_padded_and_masks_sampled_at_pixel_two():
    stacked = stack_targets([make_clip(1, 20, 30), make_clip(3, 32, 24)], (32, 32))
    assert stacked.sizes.tolist() == [[20, 30], [32, 24]]
    assert stacked.visible[:, 0].tolist() == [[True, False, False]] * 2
    assert stacked.labels.tolist() == [[0, 0, 0], [0, 1, 2]]
    assert stacked.boxes.shape == (2, 2, 3, 4)
    assert stacked.masks.shape == (2, 2, 3, 8, 8)
    # pixel 2 + 4 i: rows 6 and columns 10 lie in the mask
    assert stacked.masks[0, 1, 2].nonzero().tolist() == [[1, 2]]
    assert not stacked.masks[:, 0, 1:].any()
