"""Samples and references of the identity loss, by hand."""

import math

import pytest
import torch
from closeness import HUNDRED_ROUNDINGS

from methods.inspro.losses import Targets
from methods.inspro_tbd.identity import (
    clip_identity_loss,
    matched_samples,
    overlap_samples,
    reference_frame,
)

# objects 0 and 1; object 2 is padding
FIRST, SECOND = [0.0, 0, 10, 10], [40.0, 40, 60, 60]


def test_the_reference_of_a_frame_is_the_next_of_its_clip():
    assert [reference_frame(t, 2) for t in range(2)] == [1, 0]
    assert [reference_frame(t, 3) for t in range(3)] == [1, 2, 0]


def test_samples_are_boxes_of_half_overlap_and_the_true_boxes():
    # IoU with the first object: 0.5 and 0.49; the third box lies on the background
    boxes = torch.tensor([[0.0, 0, 10, 5], [0, 0, 10, 4.9], [80, 80, 90, 90], [40, 40, 60, 59]])
    targets, objects = torch.tensor([FIRST, SECOND]), torch.tensor([4, 7])
    chosen, numbers = overlap_samples(boxes, targets, objects, 0.5)
    assert chosen.tolist() == [boxes[0].tolist(), boxes[3].tolist(), FIRST, SECOND]
    assert numbers.tolist() == [4, 7, 4, 7]
    none, nobody = overlap_samples(boxes, targets[:0], objects[:0], 0.5)
    assert len(none) == len(nobody) == 0


def test_matched_samples_are_one_box_per_object():
    boxes = torch.arange(12.0).view(3, 4)
    chosen, objects = matched_samples(boxes, torch.tensor([2, -1, 0]))
    assert chosen.tolist() == [boxes[2].tolist(), boxes[0].tolist()]
    assert objects.tolist() == [0, 2]


def two_clips():
    """Clip 0: both objects in frame 0, the first in frame 1. Clip 1: nothing but its first object, twice."""
    visible = torch.tensor([[[True, True], [True, False]], [[True, False], [True, False]]])
    boxes = torch.tensor([FIRST, SECOND]).expand(2, 2, 2, 4).clone()
    sizes = torch.tensor([[64, 64]] * 2)
    return Targets(torch.zeros(2, 2, dtype=torch.int64), boxes, visible, sizes, torch.zeros(2, 2, 2, 16, 16))


@pytest.mark.parametrize("samples", ["overlap", "matched"])
def test_the_loss_compares_with_the_reference_frame_of_the_same_clip_only(samples):
    targets = two_clips()
    # slot 0 fits the first object, slot 1 the second, slot 2 nothing
    predicted = torch.tensor([FIRST, SECOND, [80.0, 80, 90, 90]]).expand(2, 2, 3, 4)
    slots = torch.tensor([[[0, 1], [0, -1]], [[0, -1], [0, -1]]])
    asked = []

    def embed(boxes, image_index):
        asked.extend(zip(boxes.tolist(), image_index.tolist(), strict=True))
        # object 0 looks along x, object 1 along y; clip 1 (images 2 and 3) is turned, which must not matter
        own = torch.where((boxes[:, :1] == 0), torch.tensor([[2.0, 0.0]]), torch.tensor([[0.0, 2.0]]))
        return torch.where((image_index >= 2)[:, None], own.flip(1) * 0.5, own)

    loss = clip_identity_loss(embed, predicted, slots, targets, samples, 0.5)

    def softmax_loss(*logits, right):
        return -(logits[right] - math.log(sum(math.exp(x) for x in logits)))

    # clip 0, frame 0: reference has object 0 only; object 1 is "new" there. products: 4 with itself, else 0
    with_itself, absent = softmax_loss(0, 4, right=1), softmax_loss(0, 0, right=0)
    first = (with_itself + absent) / 2
    # clip 0, frame 1: object 0 against both objects of frame 0
    second = softmax_loss(0, 4, 0, right=1)
    third = softmax_loss(0, 1, right=1)
    assert loss.item() == pytest.approx((first + second + third + third) / 4, rel=HUNDRED_ROUNDINGS)
    # the background box is no sample
    assert [80.0, 80.0, 90.0, 90.0] not in [box for box, _ in asked]


def test_frames_without_objects_cost_nothing():
    targets = two_clips()
    targets.visible[:] = False
    weight = torch.ones(4, 2, requires_grad=True)
    loss = clip_identity_loss(
        lambda boxes, index: boxes @ weight,
        torch.rand(2, 2, 3, 4),
        torch.full((2, 2, 2), -1),
        targets,
        "overlap",
        0.5,
    )
    assert loss.item() == 0
    loss.backward()
    assert (weight.grad == 0).all()


def test_no_gradient_reaches_the_boxes_that_are_read():
    targets = two_clips()
    predicted = torch.tensor([FIRST, SECOND, [80.0, 80, 90, 90]]).repeat(2, 2, 1, 1).requires_grad_()
    weight = torch.full((4, 2), 0.1, requires_grad=True)
    clip_identity_loss(
        lambda boxes, index: boxes @ weight,
        predicted,
        torch.zeros(2, 2, 2, dtype=torch.int64),
        targets,
        "overlap",
        0.5,
    ).backward()
    assert predicted.grad is None
    assert (weight.grad != 0).any()
