"""Points, targets and decoding of FCOS, and the pyramid below it."""

from __future__ import annotations

import math

import pytest
import torch
from closeness import EPS, HUNDRED_ROUNDINGS, assert_close_to_largest
from hypothesis import given, settings
from hypothesis import strategies as st

from methods.layers.fcos import (
    FcosHead,
    assign_points,
    centreness,
    decode_boxes,
    encode_boxes,
    flatten_levels,
    level_points,
    ltrb_giou,
    make_grid,
    mask_centroids,
    object_at_points,
)
from methods.layers.fpn import Fpn, level_name, level_stride

R50 = {"res2": 256, "res3": 512, "res4": 1024, "res5": 2048}
OPEN = (-1.0, math.inf)


def parameters(module: torch.nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def test_points_sit_in_the_middle_of_their_cell() -> None:
    # torchvision's FCOS would give 0 and 8
    assert level_points(1, 2, 8).tolist() == [[4.0, 4.0], [12.0, 4.0]]
    assert level_points(2, 1, 16).tolist() == [[8.0, 8.0], [8.0, 24.0]]


def test_grid_order_is_the_order_of_flattened_maps() -> None:
    grid = make_grid([(2, 3), (1, 2)], [8, 16])
    assert grid.levels.tolist() == [0] * 6 + [1] * 2
    assert grid.strides.tolist() == [8.0] * 6 + [16.0] * 2
    # a map that holds its own x and y coordinates must flatten to the grid's points
    maps = [
        grid.points[:6].T.reshape(1, 2, 2, 3),
        grid.points[6:].T.reshape(1, 2, 1, 2),
    ]
    assert torch.equal(flatten_levels(maps)[0], grid.points)


def test_centreness_by_hand() -> None:
    # sqrt(1/3 * 2/4) and 1 in the middle
    ltrb = torch.tensor([[1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 5.0, 6.0]])
    assert centreness(ltrb).tolist() == pytest.approx([math.sqrt(1 / 6), 1.0])


def test_mask_centroid_by_hand() -> None:
    masks = torch.zeros(2, 4, 6, dtype=torch.bool)
    masks[0, 1, 2:4] = True  # two pixels, x 2..4, y 1..2
    masks[1, 0:2, 0] = True
    masks[1, 0, 1] = True  # three pixels of an L
    centroids = mask_centroids(masks)
    # indices, as AdelaiDet has them: neither is half a pixel added
    assert centroids[0].tolist() == [2.5, 1.0]
    assert centroids[1].tolist() == pytest.approx([(0 + 0 + 1) / 3, (0 + 1 + 0) / 3])
    assert mask_centroids(torch.zeros(1, 4, 6, dtype=torch.bool)).tolist() == [[0.0, 0.0]]


def test_box_loss_by_hand_counts_one_cell_more_in_intersection_and_union() -> None:
    # areas 4 x 2 = 8 and 2 x 4 = 8 from one point in the middle, common 2 x 2 = 4, hull 4 x 4 = 16
    predicted, target = torch.tensor([[2.0, 1, 2, 1]]), torch.tensor([[1.0, 2, 1, 2]])
    union = 8 + 8 - 4
    expected = 1 - ((4 + 1) / (union + 1) - (16 - union) / 16)
    assert ltrb_giou(predicted, target).item() == pytest.approx(expected)
    # GIoU itself is 1 - (1/3 - 1/4), the same in any unit; this one is not
    doubled = 1 - ((16 + 1) / (4 * union + 1) - (16 - union) / 16)
    assert ltrb_giou(2 * predicted, 2 * target).item() == pytest.approx(doubled)
    assert doubled != pytest.approx(expected)
    assert ltrb_giou(target, target).item() == pytest.approx(0)
    # a box of no size costs less than 1 plus the penalty: 1 - (1 / 9 - 0)
    assert ltrb_giou(torch.zeros(1, 4), target).item() == pytest.approx(1 - (1 / 9 - (8 - 8) / 8))


def test_centre_region_surrounds_the_mask_centroid_not_the_box_centre() -> None:
    grid = make_grid([(4, 8)], [8])
    boxes = torch.tensor([[0.0, 0.0, 64.0, 32.0]])
    centroid = torch.tensor([[12.0, 12.0]])
    assigned = assign_points(grid, boxes, centroid, [OPEN])
    positive = grid.points[assigned >= 0]
    # centroid +- 12 px, clipped to the box: x and y in (0, 24)
    assert sorted({x for x, _ in positive.tolist()}) == [4.0, 12.0, 20.0]
    assert sorted({y for _, y in positive.tolist()}) == [4.0, 12.0, 20.0]


def test_centre_region_is_clipped_to_the_box() -> None:
    grid = make_grid([(4, 4)], [8])
    boxes = torch.tensor([[10.0, 10.0, 14.0, 30.0]])
    assigned = assign_points(grid, boxes, torch.tensor([[12.0, 20.0]]), [OPEN])
    assert grid.points[assigned >= 0].tolist() == [[12.0, 12.0], [12.0, 20.0], [12.0, 28.0]]


def test_level_by_largest_distance_bounds_inclusive() -> None:
    grid = make_grid([(16, 16), (8, 8)], [8, 16])
    boxes = torch.tensor([[0.0, 0.0, 120.0, 120.0]])
    centre = torch.tensor([[60.0, 60.0]])
    ranges = [(-1.0, 64.0), (64.0, math.inf)]
    assigned = assign_points(grid, boxes, centre, ranges)
    # stride 8, region 48..72: (60, 60) has max 60, (52, .) has max 68, (68, .) has max 68
    assert grid.points[(assigned >= 0) & (grid.levels == 0)].tolist() == [[60.0, 60.0]]
    # stride 16, region 36..84: points 40, 56, 72, largest distance 64 to 80 for 56; 56 -> 120 - 56 = 64
    second = grid.points[(assigned >= 0) & (grid.levels == 1)].tolist()
    assert len(second) == 9
    assert [56.0, 56.0] in second


def test_ambiguous_point_goes_to_the_smallest_box() -> None:
    grid = make_grid([(4, 4)], [8])
    boxes = torch.tensor([[0.0, 0.0, 32.0, 32.0], [4.0, 4.0, 28.0, 28.0]])
    centres = torch.tensor([[16.0, 16.0], [16.0, 16.0]])
    assert assign_points(grid, boxes, centres, [OPEN])[5].item() == 1
    assert assign_points(grid, boxes.flip(0), centres, [OPEN])[5].item() == 0


def test_no_objects_leave_everything_background() -> None:
    grid = make_grid([(2, 2)], [8])
    none = torch.zeros(0, 4)
    assert assign_points(grid, none, torch.zeros(0, 2), [OPEN]).tolist() == [-1] * 4
    assert object_at_points(grid.points, none).tolist() == [-1] * 4


def test_tracking_labels_have_neither_centre_region_nor_size_range() -> None:
    points = level_points(4, 4, 8)
    boxes = torch.tensor([[0.0, 0.0, 32.0, 32.0], [0.0, 0.0, 16.0, 8.0]])
    labels = object_at_points(points, boxes).reshape(4, 4)
    assert labels[0].tolist() == [1, 1, 0, 0]
    assert (labels[1:] == 0).all()


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.floats(0, 60), st.floats(0, 60), st.floats(1, 60), st.floats(1, 60)),
        min_size=1,
        max_size=5,
    )
)
def test_assigned_points_lie_inside_their_box_and_decode_to_it(raw: list[tuple[float, ...]]) -> None:
    boxes = torch.tensor([[x, y, x + w, y + h] for x, y, w, h in raw])
    grid = make_grid([(16, 16), (8, 8)], [8, 16])
    assigned = assign_points(grid, boxes, (boxes[:, :2] + boxes[:, 2:]) / 2, [(-1, 32.0), (32.0, math.inf)])
    positive = assigned >= 0
    points, mine = grid.points[positive], boxes[assigned[positive]]
    ltrb = encode_boxes(points, mine)
    assert (ltrb > 0).all()
    # distances to a point and back; no coordinate is larger than 120 px
    torch.testing.assert_close(decode_boxes(points, ltrb), mine, atol=10 * EPS * 120, rtol=0)


def test_head_outputs_pixels_per_level_scale_and_prior() -> None:
    head = FcosHead(8, 3, strides=(8, 16), convs=1, groups=2)
    torch.nn.init.zeros_(head.boxes.weight)
    with torch.no_grad():
        head.boxes.bias.fill_(1.0)  # type: ignore[union-attr]
        head.scales.copy_(torch.tensor([1.0, 3.0]))
        torch.nn.init.zeros_(head.classes.weight)
    out = head([torch.randn(1, 8, 2, 2), torch.randn(1, 8, 1, 1)])
    assert out.ltrb[0, :4].unique().tolist() == [8.0]  # 1 stride
    assert out.ltrb[0, 4:].unique().tolist() == [48.0]  # scale 3 times stride 16
    assert out.class_logits.sigmoid().unique().tolist() == pytest.approx([0.01], rel=HUNDRED_ROUNDINGS)
    assert out.centre_logits.shape == (1, 5)


def test_negative_box_outputs_are_cut_at_zero() -> None:
    head = FcosHead(8, 3, strides=(8,), convs=1, groups=2, box_bias=-5.0)
    assert head([torch.randn(1, 8, 2, 2)]).ltrb.max().item() == 0.0


def test_centreness_hangs_on_the_box_tower() -> None:
    head = FcosHead(8, 3, strides=(8,), convs=1, groups=2)
    head([torch.randn(1, 8, 4, 4)]).centre_logits.sum().backward()
    assert head.box_tower[0].weight.grad is not None
    assert head.class_tower[0].weight.grad is None


def test_pyramid_parameter_counts() -> None:
    assert parameters(Fpn(R50, levels=("res2", "res3", "res4", "res5"))) == 3_344_384
    assert parameters(Fpn(R50)) == 2_688_512
    assert parameters(Fpn(R50, extra_p6p7=True)) == 2_688_512 + 1_180_160


def test_pyramid_names_follow_the_stride() -> None:
    widths = {"res2": 4, "res3": 6, "res4": 8, "res5": 10}
    features = {
        name: torch.randn(1, widths[name], 64 // s, 64 // s)
        for name, s in {"res2": 4, "res3": 8, "res4": 16, "res5": 32}.items()
    }
    out = Fpn(widths, 5, levels=("res2", "res3", "res4", "res5"), extra_p6p7=True)(features)
    assert list(out) == ["p2", "p3", "p4", "p5", "p6", "p7"]
    for name, level in out.items():
        assert level.shape == (1, 5, *(max(1, 64 // level_stride(name)),) * 2)
    assert [level_name(s) for s in (4, 8, 128)] == ["p2", "p3", "p7"]


def test_p6_reads_p5_and_not_the_backbone() -> None:
    widths = {"res3": 4, "res4": 4, "res5": 4}
    fpn = Fpn(widths, 4, extra_p6p7=True)
    features = {name: torch.randn(1, 4, s, s) for name, s in (("res3", 16), ("res4", 8), ("res5", 4))}
    out = fpn(features)
    expected = torch.nn.functional.conv2d(
        out["p5"], fpn.pyramid.extra_blocks.p6.weight, fpn.pyramid.extra_blocks.p6.bias, stride=2, padding=1
    )
    assert_close_to_largest(out["p6"], expected, terms=4 * 9)


def test_p6_without_p5_is_refused() -> None:
    with pytest.raises(ValueError, match="res5"):
        Fpn(R50, levels=("res3", "res4"), extra_p6p7=True)
