"""Losses of STC: Eq 3 to 7 by hand, and every way in which they are easily got wrong."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from closeness import HUNDRED_ROUNDINGS, assert_close_to_largest, in_float64
from stc_samples import (
    HEIGHT,
    MAP,
    PAIR,
    WIDTH,
    Corners,
    grid,
    make_clip,
    outputs,
    small_config,
    small_model,
)

from methods.layers.losses import focal
from methods.stc.config import LossConfig
from methods.stc.losses import (
    FrameTargets,
    consistency_loss,
    contrastive_loss,
    contrastive_terms,
    detection_losses,
    frame_targets,
    level_ranges,
    stc_losses,
)
from methods.stc.outputs import StcOutputs
from vis_bench.method import Clip

CONFIG = small_config()


def test_contrastive_term_by_hand() -> None:
    anchors = torch.tensor([[1.0, 0.0]])
    positives = torch.tensor([[2.0, 0.0], [0.5, 1.0]])
    negatives = torch.tensor([[1.0, 5.0], [-1.0, 0.0]])
    # q.k+ = 2 and 0.5, q.k- = 1 and -1: one logarithm per positive, negatives only inside
    first = math.log(1 + math.exp(1 - 2) + math.exp(-1 - 2))
    second = math.log(1 + math.exp(1 - 0.5) + math.exp(-1 - 0.5))
    mean = contrastive_terms(anchors, positives, negatives)
    assert mean.item() == pytest.approx((first + second) / 2, rel=HUNDRED_ROUNDINGS)
    summed = contrastive_terms(anchors, positives, negatives, "sum")
    assert summed.item() == pytest.approx(first + second, rel=HUNDRED_ROUNDINGS)
    # InfoNCE with all positives in one denominator would be another number
    together = math.log(1 + (math.exp(1) + math.exp(-1)) / (math.exp(2) + math.exp(0.5)))
    assert mean.item() != pytest.approx(together, rel=0.05)


@in_float64()
def test_contrastive_term_equals_cross_entropy_for_one_positive() -> None:
    anchors, negatives = torch.randn(4, 6), torch.randn(7, 6)
    positive = torch.randn(1, 6)
    logits = torch.cat((anchors @ positive.T, anchors @ negatives.T), dim=1)
    expected = F.cross_entropy(logits, torch.zeros(4, dtype=torch.int64), reduction="none")
    assert_close_to_largest(contrastive_terms(anchors, positive, negatives), expected, terms=1000)


def test_contrastive_term_without_negatives_is_zero_and_large_products_stay_finite() -> None:
    anchors, positives = torch.full((1, 4), 100.0), torch.full((2, 4), -100.0)
    assert contrastive_terms(anchors, positives, torch.zeros(0, 4)).item() == 0.0
    assert contrastive_terms(anchors, positives, torch.full((3, 4), 100.0)).isfinite().all()


def test_negatives_come_from_the_whole_map_but_not_from_the_object_or_the_padding() -> None:
    torch.manual_seed(0)
    reference = torch.randn(2, 1, 6, requires_grad=True)
    cells = torch.tensor([0, 0, 1, -1, -1, -2])
    anchors = torch.randn(3, 2)

    def touched(config: LossConfig) -> list[bool]:
        reference.grad = None
        contrastive_loss(anchors, torch.zeros(3, dtype=torch.int64), reference, cells, config).backward()
        assert reference.grad is not None
        return (reference.grad[:, 0] != 0).any(0).tolist()

    assert touched(LossConfig()) == [True, True, True, True, True, False]
    assert touched(LossConfig(negatives_from="boxes")) == [True, True, True, False, False, False]
    assert sum(touched(LossConfig(negatives=1))) == 3


def test_contrastive_loss_is_the_mean_over_anchors_not_over_objects() -> None:
    torch.manual_seed(0)
    reference, cells = torch.randn(2, 1, 4), torch.tensor([0, 1, -1, -1])
    anchors, objects = torch.randn(4, 2), torch.tensor([0, 0, 0, 1])
    flat = reference[:, 0].T
    each = torch.cat(
        (
            contrastive_terms(anchors[:3], flat[[0]], flat[[1, 2, 3]]),
            contrastive_terms(anchors[3:], flat[[1]], flat[[0, 2, 3]]),
        )
    )
    got = contrastive_loss(anchors, objects, reference, cells, LossConfig())
    assert got.item() == pytest.approx(each.mean().item(), rel=HUNDRED_ROUNDINGS)


def test_consistency_by_hand_pairs_the_same_object_only() -> None:
    key, reference = torch.zeros(4, 2), torch.zeros(4, 2)
    key[0], key[1] = torch.tensor([1.0, 3.0]), torch.tensor([5.0, 5.0])
    reference[2], reference[1] = torch.tensor([2.0, 1.0]), torch.tensor([100.0, 100.0])
    key_points = torch.tensor([0, 1, -1, -1])
    reference_points = torch.tensor([-1, 2, 0, -1])  # object 1 is absent, object 2 sits where 1 was
    got = consistency_loss(key, reference, key_points, reference_points)
    assert got.item() == pytest.approx((1 + 4) / 2)
    assert consistency_loss(key, reference, key_points, reference_points, "sum").item() == pytest.approx(5)


def test_consistency_reaches_both_frames() -> None:
    key, reference = torch.zeros(2, 3, requires_grad=True), torch.ones(2, 3, requires_grad=True)
    points = torch.tensor([0, -1])
    consistency_loss(key, reference, points, points).backward()
    assert key.grad is not None
    assert reference.grad is not None
    assert key.grad[0].tolist() == pytest.approx([-2 / 3] * 3)
    assert reference.grad[0].tolist() == pytest.approx([2 / 3] * 3)
    assert key.grad[1].tolist() == [0.0] * 3


def test_targets_of_a_frame() -> None:
    clip = make_clip([[(0, 0, 32, 32), (8, 8, 24, 24), None], [None, None, (0, 0, 8, 8)]])
    first = frame_targets(clip, 0, grid(), MAP, CONFIG)
    cells = first.cells.reshape(MAP)
    assert cells[0, :4].tolist() == [0, 0, 0, 0]
    assert cells[1, 1:3].tolist() == [1, 1]  # the smaller box wins
    assert cells[0, 4:].unique().tolist() == [-1]
    assert set(first.points.unique().tolist()) == {-1, 0, 1}
    assert first.masks.shape == (3, HEIGHT // 4, WIDTH // 4)
    assert first.masks[1].nonzero()[0].tolist() == [2, 2]  # pixel (10, 10) is the first sampled inside 8..24
    second = frame_targets(clip, 1, grid(), MAP, CONFIG)
    assert set(second.points.unique().tolist()) == {-1, 2}  # objects keep their number in the clip


def test_positives_surround_the_mask_centroid_and_not_the_box_centre() -> None:
    """An L of 116 pixels: 96 with mean index (1.5, 11.5) and 20 with mean index (13.5, 23)."""
    clip = make_clip([[(0, 0, 24, 24)]])
    clip.masks[0, 0, :23, 4:24] = False
    targets = frame_targets(clip, 0, grid(), MAP, CONFIG)
    positive = grid().points[targets.points >= 0].tolist()
    # centroid (3.57, 13.48) +- 12 inside the box; around the box centre (12, 12) x = 20 would be positive
    assert positive == [[4.0, 4.0], [12.0, 4.0], [4.0, 12.0], [12.0, 12.0], [4.0, 20.0], [12.0, 20.0]]
    assert CONFIG.centre_radius == 1.5


def test_cells_in_the_padding_are_marked() -> None:
    clip = make_clip([[(0, 0, 8, 8)]])
    wider = (MAP[0] + 1, MAP[1] + 2)
    cells = frame_targets(clip, 0, grid(), wider, CONFIG).cells.reshape(wider)
    assert (cells[-1] == -2).all()
    assert (cells[:, -2:] == -2).all()
    assert (cells[:-1, :-2] >= -1).all()


def test_objects_thinner_than_a_pixel_take_no_part() -> None:
    clip = make_clip([[(0, 0, 32, 32)]])
    thin = replace(clip, boxes=torch.tensor([[[0.0, 0.0, 0.5, 32.0]]]))
    assert frame_targets(thin, 0, grid(), MAP, CONFIG).points.unique().tolist() == [-1]


def test_level_ranges_of_the_paper() -> None:
    from methods.stc.config import CONFIGS

    assert level_ranges(CONFIGS["paper"]) == [
        (-1, 64), (64, 128), (128, 256), (256, 512), (512, math.inf)
    ]  # fmt: skip


def one_frame(box: Corners = (0, 0, 32, 40)) -> tuple[Clip, list[FrameTargets]]:
    clip = make_clip([[box]], labels=[2])
    return clip, [frame_targets(clip, 0, grid(), MAP, CONFIG)]


def test_class_loss_is_normalised_by_the_positives() -> None:
    _, targets = one_frame()
    out = outputs(1)
    positive = targets[0].points >= 0
    expected = torch.zeros_like(out.class_logits)
    expected[0, positive, 2] = 1
    got = detection_losses(out, torch.tensor([0]), targets, CONFIG)["class"]
    assert positive.sum() > 1
    assert got.item() == pytest.approx(
        (focal(out.class_logits, expected).sum() / positive.sum()).item(), rel=HUNDRED_ROUNDINGS
    )


def test_box_loss_is_weighted_by_centreness() -> None:
    _, targets = one_frame()
    out = outputs(1)
    numerator, denominator = 0.0, 0.0
    for i in (targets[0].points >= 0).nonzero()[:, 0].tolist():
        x, y = out.grid.points[i].tolist()
        # in strides, where one cell is added to intersection and union
        stride = out.grid.strides[i].item()
        left, top, right, bottom = (side / stride for side in out.ltrb[0, i].tolist())
        true = (x / stride, y / stride, (32 - x) / stride, (40 - y) / stride)
        width = min(right, true[2]) + min(left, true[0])
        height = min(bottom, true[3]) + min(top, true[1])
        union = (left + right) * (top + bottom) + 32 * 40 / stride**2 - width * height
        hull = (max(right, true[2]) + max(left, true[0])) * (max(bottom, true[3]) + max(top, true[1]))
        value = 1 - ((width * height + 1) / (union + 1) - (hull - union) / hull)
        weight = math.sqrt(min(x, 32 - x) / max(x, 32 - x) * min(y, 40 - y) / max(y, 40 - y))
        numerator, denominator = numerator + weight * value, denominator + weight
    got = detection_losses(out, torch.tensor([0]), targets, CONFIG)["box"]
    assert got.item() == pytest.approx(numerator / denominator, rel=HUNDRED_ROUNDINGS)


def test_centreness_loss_by_loops() -> None:
    _, targets = one_frame()
    out = outputs(2)
    terms = []
    for i in (targets[0].points >= 0).nonzero()[:, 0].tolist():
        x, y = out.grid.points[i].tolist()
        wanted = math.sqrt(min(x, 32 - x) / max(x, 32 - x) * min(y, 40 - y) / max(y, 40 - y))
        p = 1 / (1 + math.exp(-out.centre_logits[1, i].item()))
        terms.append(-wanted * math.log(p) - (1 - wanted) * math.log(1 - p))
    got = detection_losses(out, torch.tensor([1]), targets, CONFIG)["centreness"]
    assert got.item() == pytest.approx(sum(terms) / len(terms), rel=HUNDRED_ROUNDINGS)


def dice_of_full_masks(targets: list) -> float:
    """The dice term when every instance predicts the whole map."""
    out = outputs(1)
    kernels = torch.zeros_like(out.kernels)
    kernels[..., 168] = 50.0  # the bias of the last layer
    return detection_losses(replace(out, kernels=kernels), torch.tensor([0]), targets, CONFIG)["dice"].item()


def test_dice_by_hand() -> None:
    # a third of the map: 1 - 2 a / (1 + a); 1e-5 is added to the denominator
    assert dice_of_full_masks(one_frame((0, 0, 32, 64))[1]) == pytest.approx(0.5, abs=1e-4)
    assert dice_of_full_masks(one_frame((0, 0, WIDTH, HEIGHT))[1]) == pytest.approx(0, abs=1e-4)


def test_mask_truth_is_read_at_stride_four_from_pixel_two() -> None:
    clip = make_clip([[(0, 0, WIDTH, HEIGHT)]])
    for phase in range(4):
        masks = torch.zeros_like(clip.masks)
        masks[..., phase::4, phase::4] = True
        targets = [frame_targets(replace(clip, masks=masks), 0, grid(), MAP, CONFIG)]
        assert dice_of_full_masks(targets) == pytest.approx(0.0 if phase == 2 else 1.0, abs=1e-4)


def test_mask_loss_takes_at_most_half_of_the_positives_per_frame() -> None:
    _, targets = one_frame()
    config = small_config(loss=LossConfig(mask_positives=4))
    out = outputs(1)
    detection_losses(out, torch.tensor([0]), targets, config)["dice"].backward()
    assert out.kernels.grad is not None
    assert int((out.kernels.grad[0] != 0).any(1).sum()) == 2


def test_tracking_loss_does_not_reach_the_boxes_and_reads_at_the_predicted_centre() -> None:
    clip = make_clip([[(0, 0, 40, 40)], [(0, 0, 40, 40)]])
    out = outputs(2)
    # every point of the key frame predicts a box with its middle in cell (row 6, column 9)
    aimed = torch.zeros_like(out.ltrb)
    target = torch.tensor([76.0, 52.0])
    offset = target - out.grid.points
    aimed[0, :, :2], aimed[0, :, 2:] = 5 - offset, 5 + offset
    aimed = aimed.requires_grad_()
    config = small_config(loss=LossConfig(bidirectional=False, consistency=False))
    stc_losses(replace(out, ltrb=aimed), [clip], config)["tracking"].backward()
    assert aimed.grad is None
    assert out.embedding.grad is not None
    assert (out.embedding.grad[0] != 0).any(0).nonzero().tolist() == [[6, 9]]


def test_bidirectional_loss_is_symmetric_and_one_way_is_not() -> None:
    clip = make_clip(PAIR)
    swapped = make_clip(PAIR[::-1])
    out = outputs(2)
    order = torch.tensor([1, 0])
    flipped = replace(out, ltrb=out.ltrb[order], embedding=out.embedding[order], kernels=out.kernels[order])
    # with all negatives and all anchors taken nothing is random
    every = LossConfig(negatives=10_000, anchors=10_000, consistency=False)

    def tracking(o: StcOutputs, c: Clip, loss: LossConfig) -> float:
        return stc_losses(o, [c], small_config(loss=loss))["tracking"].item()

    both = tracking(out, clip, every)
    assert both == pytest.approx(tracking(flipped, swapped, every), rel=HUNDRED_ROUNDINGS)
    one = replace(every, bidirectional=False)
    forward, backward = tracking(out, clip, one), tracking(flipped, swapped, one)
    assert forward != pytest.approx(backward, rel=1e-3)
    assert both == pytest.approx((forward + backward) / 2, rel=HUNDRED_ROUNDINGS)


def test_objects_missing_in_the_reference_frame_are_no_anchors() -> None:
    clip = make_clip([[(4, 4, 36, 40), (50, 10, 80, 50)], [(4, 4, 36, 40), None]])
    out = outputs(2)
    zero = torch.zeros_like(out.ltrb)  # boxes shrink to their point: the anchor is read in the point's cell
    config = small_config(loss=LossConfig(bidirectional=False, consistency=False))
    stc_losses(replace(out, ltrb=zero), [clip], config)["tracking"].backward()
    assert out.embedding.grad is not None
    columns = (out.embedding.grad[0] != 0).any(0).nonzero()[:, 1]
    assert len(columns) > 0
    assert columns.max() < 36 / 8


def test_switches_and_weights() -> None:
    clip = make_clip(PAIR)
    out = outputs(2)
    full = stc_losses(out, [clip], small_config())
    assert list(full) == ["class", "box", "centreness", "dice", "tracking", "consistency"]
    off = stc_losses(out, [clip], small_config(loss=LossConfig(consistency=False)))
    assert "consistency" not in off
    every = LossConfig(negatives=10_000, anchors=10_000, consistency=False)
    once = stc_losses(out, [clip], small_config(loss=every))["tracking"]
    thrice = stc_losses(out, [clip], small_config(loss=replace(every, tracking_weight=0.6)))["tracking"]
    assert thrice.item() == pytest.approx(3 * once.item(), rel=HUNDRED_ROUNDINGS)
    other = stc_losses(out, [clip], small_config(loss=replace(every, tracking="classification")))["tracking"]
    assert other.item() != pytest.approx(once.item(), rel=1e-3)


@pytest.mark.parametrize("tracking", ["contrastive", "classification"])
@pytest.mark.parametrize(
    "boxes",
    [[[], []], [[(4, 4, 36, 40)], [None]], [[None], [(4, 4, 36, 40)]]],
    ids=["no objects", "gone", "entering"],
)
def test_clips_without_common_objects_give_finite_losses_with_gradients(
    boxes: list[list[Corners | None]], tracking: str
) -> None:
    model = small_model(loss=LossConfig(tracking=tracking))  # type: ignore[arg-type]
    terms = model.losses([make_clip(boxes)])
    assert all(value.isfinite() for value in terms.values())
    torch.stack(list(terms.values())).sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
    grad = model.detection.classes.weight.grad
    assert grad is not None
    assert grad.abs().sum() > 0


def test_losses_refuse_clips_of_other_lengths() -> None:
    with pytest.raises(ValueError, match="2 frames"):
        small_model().losses([make_clip([[(4, 4, 36, 40)]] * 3)])


def test_a_few_steps_on_one_pair_lower_every_term() -> None:
    model = small_model()
    clip = make_clip(PAIR, labels=[0, 2])
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    history = []
    for _ in range(25):
        terms = model.losses([clip])
        optimizer.zero_grad()
        torch.stack(list(terms.values())).sum().backward()
        optimizer.step()
        history.append({name: value.item() for name, value in terms.items()})
    for name in ("class", "box", "dice", "tracking"):
        assert history[-1][name] < 0.9 * history[0][name], name
