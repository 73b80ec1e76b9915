"""Test-time augmentation: what is matched to the pivot, and what is averaged."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from closeness import assert_close_to_largest, in_float64
from torch import Tensor

from methods.ifr.augmentation import (
    Result,
    common_points,
    matched_order,
    merged_instances,
    pivot_cost,
    pivot_index,
)
from methods.ifr.config import LossConfig
from methods.layers.images import masks_to_original
from methods.layers.mask_losses import pairwise_bce, pairwise_dice
from methods.layers.points import sample_points
from methods.layers.video_features import FrameSizes
from vis_bench.masks.rle import decode

CONFIG = LossConfig()


def test_the_pivot_is_random_over_videos_and_fixed_for_a_video() -> None:
    drawn = [pivot_index(4, 0, video) for video in range(200)]
    assert drawn == [pivot_index(4, 0, video) for video in range(200)]
    assert drawn != [pivot_index(4, 1, video) for video in range(200)]
    counts = np.bincount(drawn, minlength=4)
    assert counts.shape == (4,)
    assert (counts > 25).all()


@in_float64()
def test_cost_summed_over_frames_is_the_cost_of_the_volume() -> None:
    torch.manual_seed(0)
    logits, masks = torch.randn(3, 4, 10), (torch.rand(3, 5, 10) > 0.5).double()
    probabilities, labels = torch.rand(4, 6), torch.tensor([0, 5, 2, 2, 1])
    cost = pivot_cost(probabilities, labels, zip(logits, masks, strict=True), CONFIG)
    volume, truth = logits.transpose(0, 1).flatten(1), masks.transpose(0, 1).flatten(1)
    wanted = 5 * pairwise_bce(volume, truth) + 5 * pairwise_dice(volume, truth) - 2 * probabilities[:, labels]
    assert_close_to_largest(cost, wanted, terms=1000)


def test_common_points_leave_the_padding_out() -> None:
    sizes = FrameSizes(padded=(64, 128), resized=(32, 96), original=(10, 30))
    points = common_points(sizes, 1, 2)
    # centres of the two halves of a frame that fills half the height and three quarters of the width
    assert points[0].tolist() == [[pytest.approx(0.25 * 0.75), 0.25], [pytest.approx(0.75 * 0.75), 0.25]]
    ramp = torch.arange(64.0)[:, None].expand(64, 128)
    rows = sample_points(ramp[None, None], common_points(sizes, 32, 1))[0, 0]
    # positions of up to 64 cells, which is twice the largest number
    assert_close_to_largest(rows, torch.arange(32.0), terms=10)


def _scene(scale: int, order: list[int], padding: int = 0) -> Result:
    """Three objects in a 8 x 8 frame (two frames), seen at `scale`, slots in `order`, padded right."""
    truth = torch.zeros(3, 2, 8, 8)
    truth[0, 0, :3, :3] = truth[0, 1, 1:4, 1:4] = 1
    truth[1, :, 5:, :4] = 1
    truth[2, :, 2:6, 5:] = 1
    logits = (8 * truth - 4).repeat_interleave(scale, 2).repeat_interleave(scale, 3)
    logits = torch.nn.functional.pad(logits, (0, padding), value=6.0)  # the padding says nonsense
    side = 8 * scale
    probabilities = torch.tensor([[0.9, 0.1], [0.2, 0.8], [0.7, 0.3]])
    # one mask feature per object, so that embeddings are unit vectors
    features = logits.transpose(0, 1)
    embeddings = torch.eye(3)[order].expand(2, -1, -1)
    sizes = FrameSizes((side, side + padding), (side, side), (16, 16))
    return Result(probabilities[order], embeddings, features, sizes, torch.arange(3))


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 0, 1], [1, 0, 2]])
def test_slots_are_matched_across_sizes_and_paddings(order) -> None:
    pivot, other = _scene(1, [0, 1, 2]), _scene(2, order, padding=4)
    found = matched_order(pivot, other, CONFIG)
    assert [order[slot] for slot in found.tolist()] == [0, 1, 2]


def test_matching_counts_classes_too() -> None:
    # two slots with the same masks: the class decides
    pivot = _scene(1, [0, 1, 2])
    same = replace(pivot, embeddings=torch.eye(3)[[0, 0, 2]].expand(2, -1, -1))
    swapped = replace(same, probabilities=same.probabilities[[1, 0, 2]])
    assert matched_order(same, swapped, CONFIG).tolist() == [1, 0, 2]


def _constant(probability: float, mask_logit: float) -> Result:
    """One slot, one class, one frame of 4 x 4 with the same logit everywhere."""
    sizes = FrameSizes((4, 4), (4, 4), (4, 4))
    return Result(
        torch.tensor([[probability]]),
        torch.full((1, 1, 1), mask_logit),
        torch.ones(1, 1, 1, 1),
        sizes,
        torch.arange(1),
    )


@pytest.mark.parametrize(
    ("logits", "inside"),
    [
        ((10.0, -3.0, -3.0), False),  # probabilities 1.00, 0.05, 0.05, though the mean logit is positive
        ((1.0, 1.0, -10.0), False),  # 0.73, 0.73, 0.00
        ((2.0, 2.0, -10.0), True),  # 0.88, 0.88, 0.00, though the mean logit is negative
    ],
)
def test_probabilities_are_averaged_and_not_logits(logits, inside) -> None:
    results = [_constant(p, logit) for p, logit in zip((0.9, 0.6, 0.3), logits, strict=True)]
    (track,) = merged_instances(results, 10)
    assert track.score == pytest.approx(0.6)
    assert (track.segmentations[0] is not None) == inside


def test_merging_follows_the_matched_slots() -> None:
    pivot, other = _scene(1, [0, 1, 2]), _scene(2, [2, 0, 1], padding=4)
    matched = replace(other, order=matched_order(pivot, other, CONFIG))
    tracks = merged_instances([pivot, matched], 3)
    assert [(track.label, round(track.score, 3)) for track in tracks] == [(0, 0.9), (1, 0.8), (0, 0.7)]
    for track, slot in zip(tracks, (0, 1, 2), strict=True):
        for t, segmentation in enumerate(track.segmentations):
            assert segmentation is not None
            alone: Tensor = masks_to_original(pivot.logits(t)[slot : slot + 1], (8, 8), (8, 8), (16, 16))
            own = decode(segmentation)
            wanted = alone[0].numpy()
            assert (own & wanted).sum() / (own | wanted).sum() > 0.8
