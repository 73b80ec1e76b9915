"""Losses of IFR against loops: focal classes, own-frame matching, cross-frame masks."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from closeness import HUNDRED_ROUNDINGS, assert_close_to_largest, in_float64
from torch import Tensor

from methods.ifr.config import LossConfig
from methods.ifr.decoder import RecurrentOutput
from methods.ifr.losses import (
    classification_loss,
    cross_frame_masks,
    mask_losses,
    matching_cost,
    own_frame_masks,
    prediction_losses,
)
from methods.layers import mask_losses as points_module
from methods.layers.clip_target import ClipTarget

CONFIG = LossConfig(points=256)
UNIFORM = LossConfig(points=4096, importance=0.0)  # points without regard to the mask: means of areas


def _sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


@in_float64()
def test_masks_are_query_of_t_times_features_of_s() -> None:
    torch.manual_seed(0)
    embeddings, features = torch.randn(3, 2, 4), torch.randn(3, 4, 5, 6)
    pairs, own = cross_frame_masks(embeddings, features), own_frame_masks(embeddings, features)
    assert pairs.shape == (2, 3, 3, 5, 6)
    for q in range(2):
        for t in range(3):
            for s in range(3):
                wanted = sum(embeddings[t, q, m] * features[s, m] for m in range(4))
                assert_close_to_largest(pairs[q, t, s], wanted, terms=10)
            assert_close_to_largest(own[q, t], pairs[q, t, t], terms=10)


def test_mask_losses_against_a_loop(monkeypatch) -> None:
    torch.manual_seed(0)
    count, length = 2, 3
    points: list[Tensor] = []

    def drawn(logits: Tensor, *_: object) -> Tensor:
        points.append(torch.rand(len(logits), 16, 2, dtype=torch.float64))
        return points[-1]

    monkeypatch.setattr(points_module, "uncertain_points", drawn)
    pairs = torch.randn(count, length, length, 4, 5, dtype=torch.float64)
    targets = (torch.rand(count, length, 8, 10) > 0.5).double()
    result = mask_losses(pairs, targets, CONFIG)

    def terms(n: int, t: int, s: int, where: Tensor) -> tuple[float, float]:
        """BCE and dice of the query of t on frame s, against the truth of s."""
        x = points_module.sample_points(pairs[n, t, s][None, None], where[None])[0, 0].sigmoid().tolist()
        y = points_module.sample_points(targets[n, s][None, None], where[None])[0, 0].tolist()
        both = list(zip(x, y, strict=True))
        bce = sum(-b * math.log(a) - (1 - b) * math.log(1 - a) for a, b in both) / len(both)
        return bce, 1 - (2 * sum(a * b for a, b in both) + 1) / (sum(x) + sum(y) + 1)

    own, cross = (iter(part) for part in points)
    sums = {name: [0.0, 0.0] for name in ("own", "cross")}
    for n in range(count):
        for t in range(length):
            for s in range(length):
                if s == t:
                    continue
                for i, value in enumerate(terms(n, t, s, next(cross))):
                    sums["cross"][i] += value
            for i, value in enumerate(terms(n, t, t, next(own))):
                sums["own"][i] += value
    assert [result["bce"].item(), result["dice"].item()] == pytest.approx(sums["own"])
    assert [result["cross_bce"].item(), result["cross_dice"].item()] == pytest.approx(sums["cross"])


def _moving_square() -> tuple[Tensor, ClipTarget]:
    """Features whose channel 0 draws the object in both frames, 1 in frame 0 alone, 2 in frame 1 alone.

    The object is left in frame 0 and right in frame 1. Returns features [T, m, h, w] and the target.
    """
    masks = torch.zeros(1, 2, 8, 8)
    masks[0, 0, :, :4] = 1
    masks[0, 1, :, 4:] = 1
    signed = 20 * (2 * masks[0] - 1)
    wrong = signed.flip(0)
    features = torch.stack(
        [
            torch.stack([signed[0], signed[0], wrong[0]]),
            torch.stack([signed[1], wrong[1], signed[1]]),
        ]
    )
    return features, ClipTarget(torch.tensor([1]), masks)


def _output(embeddings: Tensor, classes: int = 3, static: bool = False) -> RecurrentOutput:
    """One clip: embeddings [T, Q, m]; all classes at logit 0."""
    return RecurrentOutput(torch.zeros(1, embeddings.shape[1], classes), embeddings[None], static)


def test_cross_terms_reward_a_query_that_finds_the_object_in_other_frames() -> None:
    features, target = _moving_square()
    everywhere = torch.tensor([[[1.0, 0, 0]], [[1.0, 0, 0]]])
    own_only = torch.tensor([[[0, 1.0, 0]], [[0, 0, 1.0]]])
    values = {}
    for name, embeddings in (("everywhere", everywhere), ("own", own_only)):
        torch.manual_seed(0)
        values[name] = prediction_losses(_output(embeddings), features[None], [target], CONFIG)
    # both are right on the frame of their query; only one is on the other frame
    for term in ("bce", "dice"):
        assert values["own"][term].item() == pytest.approx(values["everywhere"][term].item(), abs=0.05)
        assert values["own"][f"cross_{term}"] > values["everywhere"][f"cross_{term}"] + 1


def test_lambda_e_scales_the_cross_terms_and_zero_drops_them() -> None:
    features, target = _moving_square()
    embeddings = torch.tensor([[[0, 1.0, 0]], [[0, 0, 1.0]]])
    results = []
    for weight in (0.0, 0.3, 0.6):
        torch.manual_seed(0)
        config = replace(UNIFORM, cross_frame_weight=weight)
        results.append(prediction_losses(_output(embeddings), features[None], [target], config))
    assert set(results[0]) == {"class", "bce", "dice"}
    for name in ("cross_bce", "cross_dice"):
        assert results[2][name].item() == pytest.approx(2 * results[1][name].item())
    for name in ("bce", "dice", "class"):
        assert results[0][name].item() == pytest.approx(results[2][name].item())
    # by hand: wrong everywhere with logits of 20 gives BCE 20 on both pairs, dice 1; 5 * 0.3 of each.
    # of 8 columns, the outer halves and the one between the halves are softer
    assert results[1]["cross_bce"].item() == pytest.approx(5 * 0.3 * 2 * 20, rel=0.25)
    assert results[1]["cross_dice"].item() == pytest.approx(5 * 0.3 * 2, rel=0.15)


def test_the_static_prediction_and_single_frames_have_no_cross_terms() -> None:
    features, target = _moving_square()
    embeddings = torch.ones(2, 1, 3)
    losses = prediction_losses(_output(embeddings, static=True), features[None], [target], CONFIG)
    assert set(losses) == {"class", "bce", "dice"}
    one = ClipTarget(target.labels, target.masks[:, :1])
    losses = prediction_losses(_output(embeddings[:1]), features[None, :1], [one], CONFIG)
    assert losses["cross_bce"].item() == losses["cross_dice"].item() == 0


def test_matching_sees_own_frames_only() -> None:
    # slot 0 is a little less sure, but right in other frames too; slot 1 is right on its own frames alone.
    # the smaller own-frame cost decides, and the cross-frame loss of the chosen slot is then high
    features, target = _moving_square()
    embeddings = torch.tensor([[[0.01, 0, 0], [0, 0.2, 0]], [[0.01, 0, 0], [0, 0, 0.2]]])
    torch.manual_seed(0)
    own = own_frame_masks(embeddings, features)
    cost = matching_cost(torch.zeros(2, 3), own, target, UNIFORM)
    assert cost[:, 0].argmin() == 1
    torch.manual_seed(0)
    chosen = prediction_losses(_output(embeddings), features[None], [target], UNIFORM)
    torch.manual_seed(0)
    alone = prediction_losses(_output(embeddings[:, 1:]), features[None], [target], UNIFORM)
    assert chosen["cross_bce"].item() == pytest.approx(alone["cross_bce"].item(), rel=0.2)
    assert (
        chosen["cross_bce"].item() > 5
    )  # slot 0 would cost less than log 2 per pair: 0.3 * 5 * 2 * 0.7 = 2.1


def test_matching_cost_of_constant_volumes_by_hand() -> None:
    # Eq 4 with logit 0 everywhere: BCE log 2; with P * T points of an empty truth, dice 1 - 1 / (PT / 2 + 1)
    logits = torch.tensor([[math.log(3.0), 0.0, -1.0]])  # sigmoids 0.75, 0.5, 0.27: no softmax
    target = ClipTarget(torch.tensor([0, 1]), torch.zeros(2, 2, 8, 8))
    cost = matching_cost(logits, torch.zeros(1, 2, 8, 8), target, CONFIG)
    rest = 5 * math.log(2) + 5 * (1 - 1 / (CONFIG.points + 1))
    assert cost[0].tolist() == pytest.approx([-2 * 0.75 + rest, -2 * 0.5 + rest], rel=HUNDRED_ROUNDINGS)


def test_focal_classification_against_a_loop() -> None:
    torch.manual_seed(0)
    logits = torch.randn(2, 3, 4, dtype=torch.float64)
    matches = [(torch.tensor([2]), torch.tensor([0])), (torch.tensor([0, 1]), torch.tensor([1, 0]))]
    labels = [torch.tensor([1]), torch.tensor([2, 0])]
    wanted = {(0, 2): 1, (1, 0): 0, (1, 1): 2}
    total = 0.0
    for b in range(2):
        for q in range(3):
            for c in range(4):
                p = _sigmoid(logits[b, q, c].item())
                if wanted.get((b, q)) == c:
                    total += 0.25 * (1 - p) ** 2 * -math.log(p)
                else:
                    total += 0.75 * p**2 * -math.log(1 - p)
    result = classification_loss(logits, matches, labels, 3, CONFIG)
    assert result.item() == pytest.approx(total / 3, rel=1e-9)


@pytest.mark.parametrize("copies", [1, 3])
def test_normaliser_is_the_number_of_instances(copies) -> None:
    # the same clip several times over: sums grow with the number of instances, losses do not
    embeddings, features = torch.zeros(copies, 2, 1, 4), torch.ones(copies, 2, 4, 8, 8)
    output = RecurrentOutput(torch.zeros(copies, 1, 3), embeddings)
    target = ClipTarget(torch.tensor([1]), torch.ones(1, 2, 32, 32))
    losses = prediction_losses(output, features, [target] * copies, CONFIG)
    # three classes at p = 0.5: one positive 0.25 * 0.25 log 2, two negatives 0.75 * 0.25 log 2; weight 2
    assert losses["class"].item() == pytest.approx(
        2 * (0.0625 + 2 * 0.1875) * math.log(2), rel=HUNDRED_ROUNDINGS
    )
    # logit 0: BCE log 2 in each of two frames, and in two pairs of different frames
    assert losses["bce"].item() == pytest.approx(5 * 2 * math.log(2), rel=HUNDRED_ROUNDINGS)
    assert losses["cross_bce"].item() == pytest.approx(0.3 * 5 * 2 * math.log(2), rel=HUNDRED_ROUNDINGS)


def test_no_objects_give_zero_mask_losses_and_a_class_loss() -> None:
    embeddings = torch.randn(2, 3, 4, requires_grad=True)
    target = ClipTarget(torch.zeros(0, dtype=torch.int64), torch.zeros(0, 2, 16, 16))
    losses = prediction_losses(_output(embeddings), torch.randn(1, 2, 4, 4, 4), [target], CONFIG)
    for name in ("bce", "dice", "cross_bce", "cross_dice"):
        assert losses[name].item() == 0
    assert losses["class"].item() == pytest.approx(2 * 9 * 0.75 * 0.25 * math.log(2), rel=HUNDRED_ROUNDINGS)
    sum(losses.values()).backward()
    assert embeddings.grad is not None


def test_a_frame_without_the_object_has_an_empty_target() -> None:
    features, target = _moving_square()
    gone = target.masks.clone()
    gone[0, 1] = 0
    embeddings = torch.tensor([[[1.0, 0, 0]], [[1.0, 0, 0]]])
    values = []
    for masks in (target.masks, gone):
        torch.manual_seed(0)
        values.append(
            prediction_losses(
                _output(embeddings), features[None], [ClipTarget(target.labels, masks)], UNIFORM
            )
        )
    # half of frame 1 is now wrong by a logit of 20, for its own query and for that of frame 0
    assert values[1]["bce"] - values[0]["bce"] > 5 * 20 * 0.25
    assert values[1]["cross_bce"] - values[0]["cross_bce"] > 0.3 * 5 * 20 * 0.25
