"""Losses and matching of Mask2Former-VIS against float64 loops and numbers worked out by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from closeness import HUNDRED_ROUNDINGS
from hypothesis import given, settings
from hypothesis import strategies as st

from methods.layers import mask_losses as module
from methods.layers.clip_target import ClipTarget, clip_target
from methods.layers.mask_losses import pairwise_bce, pairwise_dice, point_mask_losses
from methods.mask2former_vis.config import LossConfig
from methods.mask2former_vis.losses import classification_loss, matching_cost, prediction_losses
from vis_bench.method import Clip

CONFIG = LossConfig(points=256)


def _sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


@settings(max_examples=30, deadline=None)
@given(
    queries=st.integers(1, 4), objects=st.integers(0, 3), points=st.integers(1, 6), seed=st.integers(0, 999)
)
def test_pairwise_costs_against_loops(queries: int, objects: int, points: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(queries, points, generator=generator, dtype=torch.float64)
    targets = torch.rand(objects, points, generator=generator, dtype=torch.float64)
    bce, dice = pairwise_bce(logits, targets), pairwise_dice(logits, targets)
    assert bce.shape == dice.shape == (queries, objects)
    for q in range(queries):
        for n in range(objects):
            x = [_sigmoid(v) for v in logits[q].tolist()]
            y = targets[n].tolist()
            terms = [-b * math.log(a) - (1 - b) * math.log(1 - a) for a, b in zip(x, y, strict=True)]
            assert bce[q, n].item() == pytest.approx(sum(terms) / points, rel=1e-9)
            overlap = sum(a * b for a, b in zip(x, y, strict=True))
            wanted = 1 - (2 * overlap + 1) / (sum(x) + sum(y) + 1)
            assert dice[q, n].item() == pytest.approx(wanted, rel=1e-9)


def test_costs_stay_finite_for_extreme_logits() -> None:
    logits = torch.tensor([[200.0, -200.0]])
    assert pairwise_bce(logits, torch.tensor([[0.0, 1.0]])).item() == pytest.approx(200.0)
    assert pairwise_bce(logits, torch.tensor([[1.0, 0.0]])).item() == pytest.approx(0.0)


def test_matching_cost_of_constant_volumes_by_hand() -> None:
    # logit 0 everywhere: BCE log 2. With P * T points all one: dice 1 - (2 PT/2 + 1) / (PT/2 + PT + 1)
    class_logits = torch.tensor([[math.log(3.0), 0.0, 0.0]])  # probabilities 0.6, 0.2, 0.2
    masks = torch.zeros(1, 2, 8, 8)
    target = ClipTarget(torch.tensor([0, 1]), torch.zeros(2, 2, 8, 8))
    cost = matching_cost(class_logits, masks, target, CONFIG)
    volume = 2 * CONFIG.points
    rest = 5 * math.log(2) + 5 * (1 - 1 / (volume / 2 + 1))
    assert cost[0, 0].item() == pytest.approx(-2 * 0.6 + rest, rel=HUNDRED_ROUNDINGS)
    assert cost[0, 1].item() == pytest.approx(-2 * 0.2 + rest, rel=HUNDRED_ROUNDINGS)


def test_matching_uses_the_same_points_in_all_frames(monkeypatch) -> None:
    shapes = []
    original = module.sample_points

    def recording(maps: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
        shapes.append((tuple(maps.shape), points))
        return original(maps, points)

    monkeypatch.setattr(module, "sample_points", recording)
    target = ClipTarget(torch.tensor([0]), torch.ones(1, 3, 16, 16))
    matching_cost(torch.zeros(4, 3), torch.randn(4, 3, 4, 4), target, CONFIG)
    (predicted, first), (wanted, second) = shapes
    assert predicted == (4, 3, 4, 4)  # frames are channels: one set of points for the volume
    assert wanted == (1, 3, 16, 16)
    assert first is second
    assert first.shape == (1, CONFIG.points, 2)


def test_matching_is_of_the_clip_and_not_of_each_frame() -> None:
    # frame by frame, query 0 fits object 0 in frame 0 and object 1 in frame 1 (an identity switch);
    # query 1 follows object 0 and query 2 object 1, each half as sure
    sure, half = 8.0, 4.0
    left = torch.zeros(4, 8)
    left[:, :4] = 1
    right = 1 - left
    signed = [2 * left - 1, 2 * right - 1]
    masks = torch.stack(
        [
            torch.stack([signed[0] * sure, signed[1] * sure]),
            torch.stack([signed[0] * half, signed[0] * half]),
            torch.stack([signed[1] * half, signed[1] * half]),
        ]
    )
    target = ClipTarget(torch.tensor([0, 0]), torch.stack([left.expand(2, -1, -1), right.expand(2, -1, -1)]))
    torch.manual_seed(0)
    cost = matching_cost(torch.zeros(3, 2), masks, target, CONFIG)
    assert cost.argmin(0).tolist() == [1, 2]


def test_classification_against_a_loop() -> None:
    torch.manual_seed(0)
    logits = torch.randn(2, 3, 4, dtype=torch.float64)
    matches = [(torch.tensor([2]), torch.tensor([0])), (torch.tensor([0, 1]), torch.tensor([1, 0]))]
    labels = [torch.tensor([1]), torch.tensor([2, 0])]
    wanted = [[3, 3, 1], [0, 2, 3]]
    total, weights = 0.0, 0.0
    for b in range(2):
        for q in range(3):
            row = logits[b, q]
            weight = 0.1 if wanted[b][q] == 3 else 1.0
            total += weight * -(row[wanted[b][q]] - row.logsumexp(0)).item()
            weights += weight
    result = classification_loss(logits, matches, labels, 0.1)
    assert result.item() == pytest.approx(total / weights, rel=1e-9)


def test_mask_losses_of_constant_masks_by_hand() -> None:
    masks = torch.full((1, 2, 8, 8), math.log(3.0))  # probability 0.75 inside
    targets = torch.zeros(1, 2, 32, 32)
    config = LossConfig(points=4096, importance=0.0)
    torch.manual_seed(0)
    bce, dice = point_mask_losses(masks, targets, config.points, config.oversample, config.importance)
    # two frames without the object: both count. The outer half pixel fades to logit 0, hence the tolerance
    assert bce.item() == pytest.approx(2 * -math.log(0.25), rel=0.1)
    assert dice.item() == pytest.approx(2 * 1.0, abs=1e-3)


def test_mask_losses_against_a_loop_on_the_same_points(monkeypatch) -> None:
    torch.manual_seed(0)
    points = torch.rand(6, 16, 2, dtype=torch.float64)
    masks = torch.randn(2, 3, 4, 5, dtype=torch.float64)

    def drawn(logits: torch.Tensor, count: int, *_: float) -> torch.Tensor:
        assert torch.equal(logits, masks.flatten(0, 1)[:, None])  # points of each (instance, frame) its own
        assert count == 16
        return points

    monkeypatch.setattr(module, "uncertain_points", drawn)
    targets = (torch.rand(2, 3, 8, 10) > 0.5).double()
    bce, dice = point_mask_losses(masks, targets, 16, 3.0, 0.75)
    wanted_bce = wanted_dice = 0.0
    for n in range(2):
        for t in range(3):
            where = points[3 * n + t][None]
            x = module.sample_points(masks[n, t][None, None], where)[0, 0].sigmoid().tolist()
            y = module.sample_points(targets[n, t][None, None], where)[0, 0].tolist()
            pairs = list(zip(x, y, strict=True))
            wanted_bce += sum(-b * math.log(a) - (1 - b) * math.log(1 - a) for a, b in pairs) / 16
            wanted_dice += 1 - (2 * sum(a * b for a, b in pairs) + 1) / (sum(x) + sum(y) + 1)
    assert bce.item() == pytest.approx(wanted_bce, rel=1e-9)
    assert dice.item() == pytest.approx(wanted_dice, rel=1e-9)


def _case(instances: int, frames: int) -> tuple[torch.Tensor, torch.Tensor, list[ClipTarget]]:
    """A clip of identical constant instances: every (instance, frame) term has the same value."""
    class_logits = torch.zeros(1, instances, 3)
    masks = torch.full((1, instances, frames, 4, 4), -20.0)
    target = ClipTarget(torch.zeros(instances, dtype=torch.int64), torch.zeros(instances, frames, 16, 16))
    return class_logits, masks, [target]


def test_normaliser_is_instances_and_not_instances_times_frames() -> None:
    # every (instance, frame) term has dice about sum(x) / (sum(x) + 1) with x = sigmoid(-20): use BCE of a
    # target of ones instead, where each term is about 20
    values = {}
    for instances, frames in ((1, 1), (3, 1), (1, 2), (3, 2)):
        class_logits, masks, (target,) = _case(instances, frames)
        ones = replace(target, masks=torch.ones_like(target.masks))
        torch.manual_seed(0)
        values[instances, frames] = prediction_losses(
            class_logits, masks, [ones], LossConfig(points=4096, importance=0.0)
        )["bce"].item()
    assert values[1, 1] == pytest.approx(5 * 20, rel=0.15)  # the outer half pixel fades
    assert values[3, 1] == pytest.approx(values[1, 1], rel=0.05)
    assert values[1, 2] == pytest.approx(2 * values[1, 1], rel=0.05)
    assert values[3, 2] == pytest.approx(2 * values[1, 1], rel=0.05)


def test_classification_is_not_divided_by_instances() -> None:
    # uniform logits: cross-entropy log 3 whatever the number of objects and queries, times the weight 2
    for instances in (1, 2, 4):
        losses = prediction_losses(*_case(instances, 1), CONFIG)
        assert losses["class"].item() == pytest.approx(2 * math.log(3), rel=HUNDRED_ROUNDINGS)


def test_no_objects_give_a_class_loss_and_zero_mask_losses_with_gradient() -> None:
    class_logits = torch.zeros(1, 3, 4, requires_grad=True)
    masks = torch.zeros(1, 3, 2, 4, 4, requires_grad=True)
    target = ClipTarget(torch.zeros(0, dtype=torch.int64), torch.zeros(0, 2, 16, 16))
    losses = prediction_losses(class_logits, masks, [target], CONFIG)
    assert losses["class"].item() == pytest.approx(2 * math.log(4), rel=HUNDRED_ROUNDINGS)
    assert losses["bce"].item() == losses["dice"].item() == 0
    sum(losses.values()).backward()
    assert class_logits.grad is not None
    assert masks.grad is not None


def test_more_objects_than_queries_matches_every_query() -> None:
    class_logits, masks, (target,) = _case(4, 1)
    losses = prediction_losses(class_logits[:, :2], masks[:, :2], [target], CONFIG)
    assert all(value.isfinite() for value in losses.values())


def test_a_diverged_model_is_reported() -> None:
    class_logits, masks, targets = _case(1, 1)
    with pytest.raises(ValueError, match="diverged"):
        prediction_losses(class_logits, masks * float("nan"), targets, CONFIG)


def _clip_with_an_object_that_leaves() -> Clip:
    """Object 0 (label 3) is only in frame 0, object 1 (label 1) in both."""
    masks = torch.zeros(2, 2, 20, 30, dtype=torch.bool)
    masks[0, 0, 2:8, 2:9] = True
    masks[:, 1, 10:18, 12:25] = True
    return Clip(
        frames=torch.zeros(2, 3, 20, 30, dtype=torch.uint8),
        labels=torch.tensor([3, 1]),
        masks=masks,
        boxes=torch.zeros(2, 2, 4),
        visible=masks.flatten(2).any(-1),
    )


def test_target_class_is_the_records_even_when_the_object_left() -> None:
    target = clip_target(_clip_with_an_object_that_leaves(), (32, 32))
    assert target.labels.tolist() == [3, 1]
    class_logits = torch.zeros(1, 2, 6)
    class_logits[0, 0, 3] = class_logits[0, 1, 1] = 30.0
    logits = 40 * module.F.interpolate(target.masks, size=(32, 32)) - 20
    torch.manual_seed(0)
    losses = prediction_losses(class_logits, logits[None], [target], CONFIG)
    assert losses["class"].item() < 1e-6  # would be about 30 if the absent frame gave "no object"


def test_target_masks_are_padded_and_empty_where_absent() -> None:
    target = clip_target(_clip_with_an_object_that_leaves(), (32, 32))
    assert target.masks.shape == (2, 2, 32, 32)
    assert target.masks[0, 1].sum() == 0
    assert target.masks[1, 1].sum() == 8 * 13
    assert target.masks[:, :, 20:].sum() == 0
    assert target.masks[..., 30:].sum() == 0


def test_a_mask_kept_in_a_frame_without_the_object_costs() -> None:
    target = clip_target(_clip_with_an_object_that_leaves(), (32, 32))
    class_logits = torch.zeros(1, 2, 6)
    class_logits[0, 0, 3] = class_logits[0, 1, 1] = 30.0
    right = 40 * target.masks - 20
    kept = right.clone()
    kept[0, 1] = right[0, 0]  # object 0 drawn in the frame that it left
    values = []
    for logits in (right, kept):
        torch.manual_seed(0)
        config = LossConfig(points=2048, importance=0.0)
        values.append(prediction_losses(class_logits, logits[None], [target], config)["bce"].item())
    # 6 x 7 of 32 x 32 pixels are wrong by a logit of 20: weight 5, two instances
    assert values[1] - values[0] == pytest.approx(5 * 20 * (6 * 7) / 32**2 / 2, rel=0.35)
