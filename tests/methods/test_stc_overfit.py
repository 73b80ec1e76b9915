"""STC learns one clip by heart: loss, assignment, dynamic masks and association fit together."""

from __future__ import annotations

from pathlib import Path

import pytest
from overfit import assert_overfit, ceiling_ap, one_video, overfit
from torch import Tensor

from methods.layers.condmask import aligned_upsample, stride4_masks


def through_stride_4(masks: Tensor) -> Tensor:
    """What STC's masks lose at best: targets at stride 4, upsampled as at inference and cut at 0.5."""
    return aligned_upsample(stride4_masks(masks).float(), 4) > 0.5


def test_stride_4_loses_little(tmp_path: Path) -> None:
    dataset = one_video(tmp_path, frames=2)
    assert 0.75 < ceiling_ap(dataset, through_stride_4) < 1.0


@pytest.mark.long
@pytest.mark.slow
def test_one_clip_is_learnt_by_heart(tmp_path: Path) -> None:
    # half the batch is enough, since all clips show the same two frames; a duplicate scored 0.1 in the first
    # one may take its object over in the second, and whether it does is decided by rounding
    changes = {"train.batch_size": 2, "score_threshold": 0.3}
    outcome = overfit("stc", tmp_path, changes=changes)
    assert_overfit(outcome, ceiling_ap(outcome.dataset, through_stride_4))
