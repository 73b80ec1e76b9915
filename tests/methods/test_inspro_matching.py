"""Temporally consistent matching, one rule at a time."""

import math

import pytest
import torch
from closeness import HUNDRED_ROUNDINGS

from methods.inspro.config import LossWeights
from methods.inspro.matching import empty_table, match_frame, matching_cost, reserved_slots

SIZE = (100, 200)
WEIGHTS = LossWeights()
# six places for objects and predictions, far from each other
PLACES = torch.tensor([[30.0 * i, 10.0, 30.0 * i + 20, 60.0] for i in range(6)])
LABELS = torch.tensor([0, 1, 2])


def predictions(order, stages=1):
    """Slots that predict exactly the places in `order`, without any opinion on classes."""
    boxes = PLACES[torch.tensor(order)]
    return torch.zeros(stages, len(order), 3), boxes.repeat(stages, 1, 1)


def match(table, visible, order, stages=1, **options):
    logits, boxes = predictions(order, stages)
    return match_frame(
        table, torch.tensor(visible), logits, boxes, LABELS, PLACES[:3], SIZE, WEIGHTS, **options
    )


def test_cost_by_hand():
    # p = 0.5: 0.25 * 0.25 * ln 2 - 0.75 * 0.25 * ln 2 = -0.125 ln 2
    logits = torch.zeros(1, 1, 2)
    boxes = torch.tensor([[[0.0, 0.0, 100.0, 100.0]]])
    target = torch.tensor([[0.0, 0.0, 100.0, 50.0]])
    cost = matching_cost(logits, boxes, torch.tensor([1]), target, SIZE, WEIGHTS)
    # L1: 50 px of 100 px height = 0.5; GIoU = IoU = 0.5, since the hull is the larger box
    wanted = 2 * -0.125 * math.log(2) + 5 * 0.5 - 2 * 0.5
    assert cost.item() == pytest.approx(wanted, rel=HUNDRED_ROUNDINGS)


def test_first_frame_is_hungarian_over_all_slots():
    result = match(empty_table(3), [True, True, True], [4, 2, 0, 1])
    assert result.table.tolist() == [2, 3, 1]
    assert result.slots.tolist() == [[2, 3, 1]]


def test_a_known_object_keeps_its_slot_although_another_fits_better():
    table = match(empty_table(3), [True, True, True], [0, 1, 2, 5]).table
    result = match(table, [True, True, True], [5, 2, 1, 0])
    assert result.table.tolist() == [0, 1, 2]
    assert result.slots.tolist() == [[0, 1, 2]]


def test_known_objects_cost_nothing():
    logits, boxes = predictions([0, 1, 2])
    result = match_frame(
        torch.tensor([2, 0, 1]),
        torch.tensor([True, True, True]),
        logits * math.nan,
        boxes * math.nan,
        LABELS,
        PLACES[:3],
        SIZE,
        WEIGHTS,
    )
    assert result.slots.tolist() == [[2, 0, 1]]


def test_a_vanished_object_keeps_its_slot_reserved_and_returns_to_it():
    first = match(empty_table(3), [True, True, False], [0, 1, 5, 4])
    assert first.table.tolist() == [0, 1, -1]
    # object 0 vanishes; object 2 enters, and slot 0 predicts exactly its place
    visible = [False, True, True]
    second = match(first.table, visible, [2, 1, 4, 5])
    assert second.table[0] == 0
    assert second.table[2] in (2, 3)
    assert second.slots[0, 0] == -1
    assert reserved_slots(second.table, torch.tensor(visible), 4).tolist() == [True, False, False, False]
    third = match(second.table, [True, True, True], [5, 5, 5, 5])
    assert third.slots.tolist() == [[0, 1, int(second.table[2])]]


def test_all_stages_use_the_table_but_entering_objects_match_per_stage():
    # object 0 is known at slot 1; object 1 enters: stage 0 would give it slot 2, the last stage slot 0
    logits = torch.zeros(2, 3, 3)
    boxes = PLACES[torch.tensor([[5, 1, 1], [1, 5, 4]])]
    table = torch.tensor([1, -1, -1])
    visible = torch.tensor([True, True, False])
    arguments = (table, visible, logits, boxes, LABELS, PLACES[:3], SIZE, WEIGHTS)
    own = match_frame(*arguments)
    assert own.slots.tolist() == [[1, 2, -1], [1, 0, -1]]
    assert own.table.tolist() == [1, 0, -1]
    shared = match_frame(*arguments, share_stages=True)
    assert shared.slots.tolist() == [[1, 0, -1], [1, 0, -1]]
    assert shared.table.tolist() == [1, 0, -1]


def test_stages_on_their_own_may_not_take_a_reserved_slot():
    # at stage 0, slot 0 fits the entering object best, but it belongs to the vanished object 0
    boxes = PLACES[torch.tensor([[1, 4, 5], [4, 5, 1]])]
    result = match_frame(
        torch.tensor([0, -1, -1]),
        torch.tensor([False, True, False]),
        torch.zeros(2, 3, 3),
        boxes,
        LABELS,
        PLACES[:3],
        SIZE,
        WEIGHTS,
    )
    assert result.slots[:, 1].tolist() == [1, 2]


def test_more_objects_than_slots_leaves_some_unassigned_and_tries_again():
    first = match(empty_table(3), [True, True, True], [0, 2])
    assert first.table.tolist() == [0, -1, 1]
    again = match(first.table, [True, True, True], [0, 2, 1])
    assert again.table.tolist() == [0, 2, 1]


def test_input_table_is_not_changed():
    table = empty_table(3)
    match(table, [True, True, True], [0, 1, 2])
    assert table.tolist() == [-1, -1, -1]
