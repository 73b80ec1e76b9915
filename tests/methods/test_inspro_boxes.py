"""Box deltas, clipping and RoIAlign over a pyramid."""

import math

import pytest
import torch
from closeness import EPS, HUNDRED_ROUNDINGS, assert_close_to_largest, in_float64
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.models.detection._utils import BoxCoder
from torchvision.ops import roi_align

from methods.layers.box_codec import (
    MMDET_LOG_SCALES,
    SPARSE_RCNN_LOG_SCALES,
    clip_boxes,
    decode_deltas,
    normalised_to_pixels,
)
from methods.layers.roi import pyramid_level, pyramid_roi_align

pixels = st.floats(-50, 200, width=32)
sides = st.floats(1, 100, width=32)


def test_decode_by_hand():
    # centre (20, 30), size (20, 40); dx = 1 / 2 of 20 px, dy = -0.5 / 2 of 40 px, width x 2, height x 1
    box = torch.tensor([10.0, 10.0, 30.0, 50.0])
    out = decode_deltas(torch.tensor([1.0, -0.5, math.log(2), 0.0]), box)
    torch.testing.assert_close(out, torch.tensor([10.0, 0.0, 50.0, 40.0]))


def test_decode_bounds_growth_and_does_not_clip_to_the_frame():
    box = torch.tensor([[0.0, 0.0, 1.0, 1.0]])
    deltas = torch.tensor([[0.0, 0.0, 100.0, 0.0]])
    # the exponential of 8.7 makes one rounding of its argument 8.7 times as large
    wanted = pytest.approx(0.5 + 0.5 * 100_000 / 16, rel=HUNDRED_ROUNDINGS)
    assert decode_deltas(deltas, box)[0, 2] == wanted
    bounded = decode_deltas(deltas, box, log_scales=MMDET_LOG_SCALES)[0, 2]
    assert bounded == pytest.approx(31.75, rel=HUNDRED_ROUNDINGS)
    assert decode_deltas(deltas, box)[0, 0] < 0


def test_mmdet_bounds_shrinking_too_and_detectron2_does_not():
    # 1000 px wide: by mmdet at least 1000 x 16 / 1000 = 16 px, centred at 500
    box, deltas = torch.tensor([[0.0, 0, 1000, 10]]), torch.tensor([[0.0, 0, -100, 0]])
    found = decode_deltas(deltas, box, log_scales=MMDET_LOG_SCALES)[0]
    assert (found[2] - found[0]).item() == pytest.approx(16, rel=HUNDRED_ROUNDINGS)
    free = decode_deltas(deltas, box)[0]
    assert (free[2] - free[0]).item() == 0


@in_float64()
def test_decode_equals_torchvision():
    torch.manual_seed(0)
    boxes = torch.rand(50, 2).mul(100).repeat(1, 2)
    boxes[:, 2:] += torch.rand(50, 2) * 80 + 1
    deltas = torch.randn(50, 4) * 2
    coder = BoxCoder((2.0, 2.0, 1.0, 1.0), bbox_xform_clip=SPARSE_RCNN_LOG_SCALES[1])
    assert_close_to_largest(decode_deltas(deltas, boxes), coder.decode_single(deltas, boxes), terms=100)


@given(pixels, pixels, sides, sides)
def test_zero_deltas_change_nothing(x, y, width, height):
    box = torch.tensor([x, y, x + width, y + height])
    # from corners to centre and size and back; no coordinate is larger than 300 px
    torch.testing.assert_close(decode_deltas(torch.zeros(4), box), box, atol=10 * EPS * 300, rtol=0)


@given(pixels, pixels, sides, sides)
@settings(max_examples=60)
def test_clipped_boxes_lie_in_the_frame_and_keep_a_pixel(x, y, width, height):
    sizes = torch.tensor([[40, 90]])
    x1, y1, x2, y2 = clip_boxes(torch.tensor([[[x, y, x + width, y + height]]]), sizes)[0, 0].tolist()
    assert 0 <= x1 < x2 <= 90
    assert 0 <= y1 < y2 <= 40
    assert x2 - x1 >= 1 - 1e-4
    assert y2 - y1 >= 1 - 1e-4


def test_a_box_inside_is_not_clipped_and_each_image_has_its_size():
    boxes = torch.tensor([[[5.0, 6.0, 20.0, 30.0]], [[5.0, 6.0, 20.0, 30.0]]])
    clipped = clip_boxes(boxes, torch.tensor([[64, 64], [16, 10]]))
    assert clipped.tolist() == [[[5, 6, 20, 30]], [[5, 6, 10, 16]]]


def test_normalised_boxes_use_the_size_of_each_image():
    boxes = normalised_to_pixels(torch.tensor([[0.5, 0.5, 1.0, 0.5]]), torch.tensor([[40, 80], [100, 10]]))
    assert boxes.tolist() == [[[0, 10, 80, 30]], [[0, 25, 10, 75]]]


def test_pyramid_levels_by_the_rule():
    def square(side):
        return [0.0, 0.0, side, side]

    boxes = torch.tensor([square(s) for s in (10.0, 111.9, 112.0, 223.9, 224.0, 448.0, 5000.0)] + [[9.0] * 4])
    assert pyramid_level(boxes).tolist() == [2, 2, 3, 3, 4, 5, 5, 2]
    assert pyramid_level(boxes[:1], canonical_size=10).tolist() == [4]


@in_float64()
def test_pooled_features_come_back_in_order_and_half_pixel_aligned():
    torch.manual_seed(0)
    features = {f"p{i}": torch.randn(2, 3, 512 >> i, 512 >> i) for i in range(2, 6)}
    boxes = torch.tensor(
        [
            [0.0, 0.0, 500.0, 500.0],
            [8.0, 8.0, 40.0, 40.0],
            [10.0, 0.0, 240.0, 250.0],
            [1.0, 3.0, 140.0, 141.0],
        ]
    )
    index = torch.tensor([1, 0, 0, 1])
    pooled = pyramid_roi_align(features, boxes, index, 7)
    for row, level in enumerate((5, 2, 4, 3)):
        expected = roi_align(
            features[f"p{level}"][index[row]][None], [boxes[row : row + 1]], 7, 0.5**level, 2, aligned=True
        )
        assert_close_to_largest(pooled[row], expected[0], terms=100)
    assert pyramid_roi_align(features, boxes[:0], index[:0], 7).shape == (0, 3, 7, 7)


@in_float64()
def test_only_the_levels_that_exist_are_read():
    torch.manual_seed(0)
    features = {f"p{i}": torch.randn(1, 2, 64 >> i, 64 >> i) for i in (3, 4)}
    boxes = torch.tensor([[0.0, 0.0, 9.0, 9.0], [0.0, 0.0, 60.0, 60.0]])
    pooled = pyramid_roi_align(features, boxes, torch.tensor([0, 0]), 3, canonical_size=20.0)
    for row, level in enumerate((3, 4)):
        expected = roi_align(features[f"p{level}"], [boxes[row : row + 1]], 3, 0.5**level, 2, aligned=True)
        assert_close_to_largest(pooled[row], expected[0], terms=100)


@in_float64()
def test_a_linear_ramp_is_read_at_pixel_centres():
    # cell x of stride 4 stands for pixel 4x + 2, so a ramp in pixels must give the pixel positions back
    ramp = torch.arange(16.0).mul(4).add(2).expand(1, 1, 16, 16)
    features = {"p2": ramp.contiguous(), **{f"p{i}": torch.zeros(1, 1, 64 >> i, 64 >> i) for i in (3, 4, 5)}}
    pooled = pyramid_roi_align(features, torch.tensor([[10.0, 10.0, 38.0, 38.0]]), torch.tensor([0]), 7)
    assert_close_to_largest(pooled[0, 0, 0], torch.arange(12.0, 40.0, 4.0), terms=100)
