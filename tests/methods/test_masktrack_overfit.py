"""MaskTrack R-CNN learns one clip by heart: anchors, regions, masks and association fit together."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from overfit import assert_overfit, ceiling_ap, overfit
from torch import Tensor
from torchvision.ops import masks_to_boxes

from methods.layers.mask_targets import crop_mask_targets
from methods.layers.paste import paste_masks


def through_regions(masks: Tensor) -> Tensor:
    """What a mask of 28 x 28 cells inside the true box loses: cut as in training, pasted as at inference."""
    out = torch.zeros_like(masks)
    for t, frame in enumerate(masks):
        seen = frame.flatten(1).any(1).nonzero()[:, 0]
        boxes = masks_to_boxes(frame[seen])
        boxes[:, 2:] += 1  # the last pixel belongs to the box
        targets = crop_mask_targets(frame[seen], torch.arange(len(seen)), boxes, 28)
        out[t, seen] = paste_masks((targets - 0.5) * 100, boxes, (masks.shape[-2], masks.shape[-1]))
    return out


@pytest.mark.long
@pytest.mark.slow
def test_one_clip_is_learnt_by_heart(tmp_path: Path) -> None:
    outcome = overfit("masktrack_rcnn", tmp_path, iterations=150)
    assert_overfit(outcome, ceiling_ap(outcome.dataset, through_regions))
