"""Every loss of STC compares the images that belong together: frames of one pair, pairs of one batch."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from closeness import HUNDRED_ROUNDINGS
from stc_samples import HEIGHT, MAP, PAIR, WIDTH, grid, make_clip, outputs, small_config

from methods.stc.config import LossConfig
from methods.stc.losses import detection_losses, frame_targets, stc_losses

CONFIG = small_config()


def test_boxes_of_the_right_image_are_compared() -> None:
    clip = make_clip([[(0, 0, 32, 40)], [(40, 8, 80, 48)]])
    targets = [frame_targets(clip, t, grid(), MAP, CONFIG) for t in (0, 1)]
    out = outputs(4)
    exact = torch.zeros_like(out.ltrb)
    for image, target in ((1, targets[0]), (3, targets[1])):
        box = target.boxes[0]
        exact[image] = torch.cat((out.grid.points - box[:2], box[2:] - out.grid.points), 1).clamp(min=0)
    right = detection_losses(replace(out, ltrb=exact), torch.tensor([1, 3]), targets, CONFIG)
    assert right["box"].item() == pytest.approx(0, abs=HUNDRED_ROUNDINGS)  # 1 - 1
    wrong = detection_losses(replace(out, ltrb=exact), torch.tensor([3, 1]), targets, CONFIG)
    assert wrong["box"].item() > 0.5


def test_kernels_and_mask_features_of_the_right_image_draw_its_masks() -> None:
    clip = make_clip([[(0, 0, WIDTH // 2, HEIGHT)], [(0, 0, WIDTH, HEIGHT // 2)]])
    targets = [frame_targets(clip, t, grid(), MAP, CONFIG) for t in (0, 1)]
    out = outputs(4)
    # logit 100 x - 50 of the first feature x (behind two coordinates) in images 1 and 3, -50 in 0 and 2
    kernels, feature = torch.zeros_like(out.kernels), torch.zeros_like(out.mask_feature)
    kernels[..., 168] = -50.0
    kernels[1::2, :, 2] = kernels[1::2, :, 80] = 1.0
    kernels[1::2, :, 144] = 100.0
    feature[1::2, 0] = 1.0
    drawn = replace(out, kernels=kernels, mask_feature=feature)
    # half of the map: 1 - 2 a / (1 + a) with a = 1 / 2; 1e-5 is added to the denominator
    right = detection_losses(drawn, torch.tensor([1, 3]), targets, CONFIG)["dice"].item()
    assert right == pytest.approx(1 / 3, abs=1e-4)
    assert detection_losses(drawn, torch.tensor([0, 2]), targets, CONFIG)["dice"].item() == pytest.approx(1)


def test_both_frames_of_a_pair_come_from_one_clip() -> None:
    first, second = make_clip(PAIR), make_clip(PAIR[::-1])
    out = outputs(4)
    kernels = torch.zeros_like(out.kernels)
    kernels[3] = 2.0  # pairs are images (0, 1) and (2, 3): differences 0 and 2
    out = replace(out, kernels=kernels)
    every = LossConfig(negatives=10_000, anchors=10_000)
    terms = stc_losses(out, [first, second], small_config(loss=every))
    assert terms["consistency"].item() == pytest.approx(10 * (0 + 4) / 2)
    alone = []
    for images, clip in ((slice(0, 2), first), (slice(2, 4), second)):
        part = replace(out, ltrb=out.ltrb[images], embedding=out.embedding[images], kernels=kernels[images])
        alone.append(stc_losses(part, [clip], small_config(loss=every))["tracking"].item())
    assert alone[0] != pytest.approx(alone[1], rel=1e-3)
    assert terms["tracking"].item() == pytest.approx(sum(alone) / 2, rel=HUNDRED_ROUNDINGS)


def test_detection_terms_are_the_average_of_both_frames() -> None:
    clip = make_clip(PAIR)
    out = outputs(2)
    targets = [frame_targets(clip, t, grid(), MAP, CONFIG) for t in (0, 1)]
    parts = [detection_losses(out, torch.tensor([t]), [targets[t]], CONFIG)["class"].item() for t in (0, 1)]
    assert stc_losses(out, [clip], CONFIG)["class"].item() == pytest.approx(
        sum(parts) / 2, rel=HUNDRED_ROUNDINGS
    )
