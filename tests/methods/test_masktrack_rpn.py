"""Anchors, assignment, sampling, proposals and the losses of the region proposal network, by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from closeness import HUNDRED_ROUNDINGS, assert_close_to_largest
from torch import Tensor
from torchvision.models.detection._utils import BoxCoder

from methods.layers.box_codec import decode_deltas, encode_deltas
from methods.masktrack_rcnn.assignment import IGNORED, NEGATIVE, assign_boxes, sample_balanced
from methods.masktrack_rcnn.config import CONFIGS, RpnConfig
from methods.masktrack_rcnn.rpn import Rpn, anchor_grid, anchors_outside, rpn_losses, select_proposals

ONE_LEVEL = RpnConfig(levels=("p2",))


def test_deltas_by_hand_and_back() -> None:
    # centre (20, 30) and size (20, 40) to centre (25, 10) and size (40, 20), weights (10, 10, 5, 5)
    box, target = torch.tensor([[10.0, 10, 30, 50]]), torch.tensor([[5.0, 0, 45, 20]])
    weights = (10.0, 10.0, 5.0, 5.0)
    deltas = encode_deltas(target, box, weights)
    assert deltas[0].tolist() == pytest.approx(
        [2.5, -5.0, 5 * math.log(2), -5 * math.log(2)], rel=HUNDRED_ROUNDINGS
    )
    assert_close_to_largest(decode_deltas(deltas, box, weights), target, terms=100)
    assert_close_to_largest(deltas, BoxCoder(weights).encode_single(target, box), terms=100)


def test_anchors_are_centred_in_their_cells_with_one_area() -> None:
    anchors = anchor_grid((2, 3), stride=8, scale=4.0, ratios=(0.5, 1.0, 2.0))
    assert anchors.shape == (2 * 3 * 3, 4)
    # row 1, column 2, ratio 1: centre (20, 12), side 32
    assert anchors[(1 * 3 + 2) * 3 + 1].tolist() == [4, -4, 36, 28]
    size = anchors[:3, 2:] - anchors[:3, :2]
    assert size.prod(dim=1).tolist() == pytest.approx([32.0**2] * 3, rel=HUNDRED_ROUNDINGS)
    assert (size[:, 1] / size[:, 0]).tolist() == pytest.approx([0.5, 1.0, 2.0], rel=HUNDRED_ROUNDINGS)


def test_anchors_of_the_paper_are_32_to_512_pixels_with_one_scale_and_three_ratios() -> None:
    config = CONFIGS["paper"].rpn
    squares = [anchor_grid((1, 1), 2**level, config.scale, (1.0,))[0] for level in range(2, 7)]
    assert [(box[2] - box[0]).item() for box in squares] == [32, 64, 128, 256, 512]
    assert config.levels == ("p2", "p3", "p4", "p5", "p6")
    assert config.ratios == (0.5, 1.0, 2.0)


def test_assignment_thresholds_and_the_gap_between_them() -> None:
    truth = torch.tensor([[0.0, 0, 10, 10], [50, 50, 60, 60]])
    # IoU with object 0: 0.7, 0.5, 0.29, 0; with object 1: 1
    anchors = torch.tensor(
        [[0.0, 0, 10, 7], [0, 0, 10, 5], [0, 0, 10, 2.9], [20, 0, 30, 5], [50, 50, 60, 60]]
    )
    assert assign_boxes(anchors, truth, 0.7, 0.3).tolist() == [0, IGNORED, NEGATIVE, NEGATIVE, 1]
    # one threshold leaves no gap
    assert assign_boxes(anchors, truth, 0.5, 0.5).tolist() == [0, 0, NEGATIVE, NEGATIVE, 1]


def test_the_best_anchors_of_an_object_are_positive_from_iou_030_only() -> None:
    truth = torch.tensor([[0.0, 0, 10, 10]])
    best = torch.tensor([[0.0, 0, 10, 4], [0, 6, 10, 10], [0, 0, 10, 3.5]])  # 0.4 twice, 0.35
    assert assign_boxes(best, truth, 0.7, 0.3, 0.3).tolist() == [0, 0, IGNORED]
    assert assign_boxes(best, truth, 0.7, 0.3).tolist() == [IGNORED] * 3
    poor = torch.tensor([[0.0, 0, 10, 2], [40, 40, 50, 50]])  # torchvision's matcher would take IoU 0.2
    assert assign_boxes(poor, truth, 0.7, 0.3, 0.3).tolist() == [NEGATIVE] * 2


def test_assignment_without_objects_or_candidates() -> None:
    none = torch.zeros(0, 4)
    assert assign_boxes(torch.ones(2, 4), none, 0.7, 0.3, 0.3).tolist() == [NEGATIVE] * 2
    assert assign_boxes(none, torch.ones(2, 4), 0.7, 0.3, 0.3).shape == (0,)


def test_sampling_counts_and_never_draws_what_is_ignored() -> None:
    torch.manual_seed(0)
    assigned = torch.tensor([0, 1, 2, 0, *[NEGATIVE] * 20, *[IGNORED] * 20])
    positives, negatives = sample_balanced(assigned, samples=8, positive_fraction=0.25)
    assert len(positives) == 2
    assert len(negatives) == 6
    assert (assigned[positives] >= 0).all()
    assert (assigned[negatives] == NEGATIVE).all()
    # too few positives are made up for by negatives, never the other way round
    positives, negatives = sample_balanced(assigned, samples=20, positive_fraction=0.5)
    assert (len(positives), len(negatives)) == (4, 16)
    positives, negatives = sample_balanced(assigned[:5], samples=8, positive_fraction=0.25)
    assert (len(positives), len(negatives)) == (2, 1)


def test_sampling_is_random() -> None:
    torch.manual_seed(0)
    assigned = torch.full((50,), NEGATIVE)
    draws = {tuple(sorted(sample_balanced(assigned, 5, 0.5)[1].tolist())) for _ in range(5)}
    assert len(draws) > 1


def test_head_is_shared_by_levels_and_p6_is_p5_subsampled() -> None:
    torch.manual_seed(0)
    rpn = Rpn(16, RpnConfig())
    # 3x3 convolution, 3 objectness values and 12 deltas per cell
    assert sum(p.numel() for p in rpn.parameters()) == 16 * 16 * 9 + 16 + 17 * 3 + 17 * 12
    pyramid = {f"p{level}": torch.randn(2, 16, 96 // 2**level, 160 // 2**level) for level in (2, 3, 4, 5)}
    objectness, deltas, anchors, levels = rpn(pyramid)
    sizes = [(24, 40), (12, 20), (6, 10), (3, 5), (2, 3)]
    count = 3 * sum(h * w for h, w in sizes)
    assert objectness.shape == (2, count)
    assert deltas.shape == (2, count, 4)
    assert anchors.shape == (count, 4)
    assert levels.bincount().tolist() == [3 * h * w for h, w in sizes]
    p6 = pyramid["p5"][:, :, ::2, ::2]
    expected = rpn.head([p6])[0][0].permute(0, 2, 3, 1).reshape(2, -1)
    torch.testing.assert_close(objectness[:, levels == 4], expected)
    # stride 64 although 96 / 2 = 48: the centre of the last anchor is (2.5, 1.5) strides
    last = anchors[-2]
    assert ((last[:2] + last[2:]) / 2).tolist() == [160, 96]


def test_order_of_outputs_is_the_order_of_anchors() -> None:
    rpn = Rpn(16, ONE_LEVEL)
    feature = torch.randn(1, 16, 3, 4)
    objectness, deltas, _, _ = rpn({"p2": feature})
    raw_objectness, raw_deltas = rpn.head([feature])
    row, column, ratio = 2, 1, 2
    index = (row * 4 + column) * 3 + ratio
    assert objectness[0, index] == raw_objectness[0][0, ratio, row, column]
    assert deltas[0, index].tolist() == raw_deltas[0][0, 4 * ratio : 4 * ratio + 4, row, column].tolist()


def proposals_of(boxes: Tensor, scores: list[float], levels: list[int], config: RpnConfig) -> Tensor:
    zeros = torch.zeros(len(boxes), 4)
    return select_proposals(torch.tensor(scores), zeros, boxes, torch.tensor(levels), (50, 100), config)


def test_proposals_are_limited_per_level_suppressed_within_a_level_and_limited_in_all() -> None:
    boxes = torch.tensor(
        [[0.0, 0, 10, 10], [20, 0, 30, 10], [40, 0, 50, 10], [0, 0, 10, 9.9], [60, 0, 70, 10]]
    )
    config = RpnConfig(levels=("p2", "p3"), candidates_per_level=2)
    # level 0 keeps its two best (1 and 2); 3 equals 0 but lies on another level
    got = proposals_of(boxes, [1.0, 3.0, 2.0, 9.0, -1.0], [0, 0, 0, 1, 1], config)
    assert got[:, 0].tolist() == [0, 20, 40, 60]
    got = proposals_of(boxes, [1.0, 3.0, 2.0, 9.0, -1.0], [0, 0, 0, 1, 1], replace(config, proposals=3))
    assert got[:, 0].tolist() == [0, 20, 40]
    # IoU 0.99 on one level: the lower score goes; 3 per level let it through otherwise
    both = replace(config, candidates_per_level=5)
    assert proposals_of(boxes, [1.0, 3.0, 2.0, 9.0, -1.0], [0] * 5, both)[:, 0].tolist() == [0, 20, 40, 60]
    across = proposals_of(boxes, [1.0, 3.0, 2.0, 9.0, -1.0], [0, 0, 0, 1, 1], both)
    assert across[:, 0].tolist() == [0, 20, 40, 0, 60]


def test_proposals_are_decoded_and_clipped_to_the_frame_without_its_padding() -> None:
    anchors = torch.tensor([[10.0, 10, 30, 30], [90, 40, 110, 60], [101, 0, 120, 10]])
    deltas = torch.tensor([[0.5, 0, 0, math.log(2)], [0, 0, 0, 0], [0, 0, 0, 0]])
    scores = torch.tensor([2.0, 1.0, 3.0])
    got = select_proposals(scores, deltas, anchors, torch.zeros(3).long(), (50, 100), ONE_LEVEL)
    # the third lies outside and has no area left
    assert_close_to_largest(got, torch.tensor([[20.0, 0, 40, 40], [90, 40, 100, 50]]), terms=20)


def test_losses_by_hand() -> None:
    truth = torch.tensor([[0.0, 0, 10, 10]])
    anchors = torch.tensor([[0.0, 0, 10, 8], [0, 0, 10, 5], [30, 30, 40, 40]])  # positive, ignored, negative
    objectness = torch.tensor([[1.0, 5.0, -2.0]], requires_grad=True)
    deltas = torch.zeros(1, 3, 4, requires_grad=True)
    class_loss, box_loss = rpn_losses(objectness, deltas, anchors, [truth], [(50, 50)], ONE_LEVEL)
    softplus = [math.log1p(math.exp(-1)), math.log1p(math.exp(-2))]
    assert class_loss.item() == pytest.approx(sum(softplus) / 2, rel=HUNDRED_ROUNDINGS)
    # centre y 4 -> 5 over height 8 = 0.125 (above beta), log(10 / 8) = 0.223 (above beta)
    beta = 1 / 9
    expected = (0.125 - beta / 2) + (math.log(10 / 8) - beta / 2)
    assert box_loss.item() == pytest.approx(expected / 2, rel=HUNDRED_ROUNDINGS)
    (class_loss + box_loss).backward()
    assert objectness.grad is not None
    assert objectness.grad[0, 1] == 0


def test_smooth_l1_is_quadratic_below_one_ninth() -> None:
    truth, anchors = torch.tensor([[0.0, 0, 10, 10]]), torch.tensor([[0.5, 0, 10.5, 10]])
    _, box = rpn_losses(torch.zeros(1, 1), torch.zeros(1, 1, 4), anchors, [truth], [(50, 50)], ONE_LEVEL)
    assert box.item() == pytest.approx(0.5 * 0.05**2 * 9, rel=HUNDRED_ROUNDINGS)


def test_losses_are_normalised_over_the_batch_and_frames_without_objects_teach_background() -> None:
    anchors = torch.tensor([[0.0, 0, 10, 10], [30, 30, 40, 40]])
    truth = [torch.tensor([[0.0, 0, 10, 10]]), torch.zeros(0, 4)]
    objectness = torch.tensor([[0.0, 0.0], [1.0, 0.0]])
    deltas = torch.zeros(2, 2, 4)
    deltas[0, 0, 0] = 1.0
    class_loss, box_loss = rpn_losses(objectness, deltas, anchors, truth, [(50, 50)] * 2, ONE_LEVEL)
    assert class_loss.item() == pytest.approx(
        (3 * math.log(2) + math.log1p(math.e)) / 4, rel=HUNDRED_ROUNDINGS
    )
    assert box_loss.item() == pytest.approx((1 - 1 / 18) / 4, rel=HUNDRED_ROUNDINGS)


def test_anchors_that_cross_an_edge_take_no_part_and_are_no_objects_best() -> None:
    # the first two lie inside, the others reach one pixel beyond each edge of 50 x 40 in turn
    anchors = torch.tensor(
        [
            [0.0, 0, 10, 10],
            [40, 30, 50, 40],
            [-1, 10, 9, 20],
            [10, -1, 20, 9],
            [41, 10, 51, 20],
            [10, 31, 20, 41],
        ]
    )
    outside = anchors_outside(anchors, (40, 50), 0.0)
    assert outside.tolist() == [False] * 2 + [True] * 4
    assert not anchors_outside(anchors, (40, 50), 1.0).any()
    config = replace(ONE_LEVEL, allowed_border_px=0.0)
    # the object is the third anchor itself; without a border the first one, at IoU 81 / 119, is its best
    truth = [torch.tensor([[-1.0, 1, 9, 11]])]
    anchors = torch.tensor([[0.0, 0, 10, 10], [40, 30, 50, 40], [-1, 1, 9, 11]])
    for used, positive in ((config, 0), (ONE_LEVEL, 2)):
        deltas = torch.zeros(1, 3, 4, requires_grad=True)
        rpn_losses(torch.zeros(1, 3), deltas, anchors, truth, [(40, 50)], used)[1].backward()
        assert deltas.grad is not None
        moved = deltas.grad[0].abs().sum(1) > 0
        # the anchor that equals its object has no box loss left
        assert moved.tolist() == [positive == 0, False, False]


def test_anchors_of_the_paper_in_a_frame_of_640_x_360_are_those_of_the_public_code() -> None:
    """Counted with mmdet 0.6's anchors, which are rounded and end at the last pixel."""
    config, counts = CONFIGS["paper"].rpn, []
    for level in range(2, 7):
        stride = 2**level
        anchors = anchor_grid((384 // stride, 640 // stride), stride, config.scale, config.ratios)
        counts.append(int((~anchors_outside(anchors, (360, 640), config.allowed_border_px)).sum()))
    assert counts == [36_908, 7_758, 1_330, 76, 0]


def test_anchors_in_the_padding_take_no_part() -> None:
    anchors = torch.tensor([[0.0, 0, 10, 10], [40, 0, 50, 10], [0, 40, 10, 50]])
    objectness = torch.zeros(1, 3, requires_grad=True)
    truth = [torch.zeros(0, 4)]
    loss, _ = rpn_losses(objectness, torch.zeros(1, 3, 4), anchors, truth, [(45, 45)], ONE_LEVEL)
    loss.backward()
    assert objectness.grad is not None
    assert objectness.grad[0].tolist() == pytest.approx([0.5, 0, 0])
