"""QueryTrack learns one clip by heart: matching, boxes, RoI masks, embeddings, association."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from overfit import assert_overfit, ceiling_ap
from overfit import overfit as run_overfit
from torch import Tensor
from torchvision.ops import masks_to_boxes

from methods.layers.mask_targets import crop_mask_targets
from methods.layers.paste import paste_masks


def through_roi_masks(masks: Tensor) -> Tensor:
    """What masks of 28 x 28 cells lose at best: targets cut at the true boxes, pasted back."""
    size = (masks.shape[-2], masks.shape[-1])
    flat = masks.flatten(0, 1)
    decoded = torch.zeros_like(flat)
    present = flat.flatten(1).any(1).nonzero().squeeze(1)
    # the indices of the last pixels, where boxes end one further
    boxes = masks_to_boxes(flat[present]).float() + torch.tensor([0.0, 0.0, 1.0, 1.0])
    targets = crop_mask_targets(flat, present, boxes, 28)
    decoded[present] = paste_masks((targets - 0.5) * 40, boxes, size)
    return decoded.view_as(masks)


@pytest.mark.long
@pytest.mark.slow
def test_one_clip_is_learnt_by_heart(tmp_path: Path) -> None:
    outcome = run_overfit("querytrack", tmp_path)
    assert_overfit(outcome, ceiling_ap(outcome.dataset, through_roi_masks))
