"""Mask2Former-VIS learns one clip by heart: matching, losses, attention masks and inference fit together."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from overfit import assert_overfit, ceiling_ap, one_video, overfit
from query_mask_ceiling import through_stride_4


def test_the_ceiling_is_below_one_but_near_it(tmp_path: Path) -> None:
    dataset = one_video(tmp_path, frames=2)
    assert ceiling_ap(dataset, torch.zeros_like) == 0.0
    assert 0.5 < ceiling_ap(dataset, through_stride_4) < 1.0


@pytest.mark.long
@pytest.mark.slow
def test_one_clip_is_learnt_by_heart(tmp_path: Path) -> None:
    outcome = overfit("mask2former_vis", tmp_path, iterations=200)
    assert_overfit(outcome, ceiling_ap(outcome.dataset, through_stride_4))
