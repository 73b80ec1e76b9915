"""Track and detect queries learn one clip by heart."""

from pathlib import Path

import pytest
from overfit import assert_overfit, ceiling_ap, overfit
from torch import Tensor

from methods.layers.condmask import aligned_upsample, stride4_masks


def through_stride_4(masks: Tensor) -> Tensor:
    """What the masks lose at best: targets at stride 4, upsampled as at inference and cut at 0.5."""
    return aligned_upsample(stride4_masks(masks).float(), 4) > 0.5


@pytest.mark.long
@pytest.mark.slow
def test_one_clip_is_learnt_by_heart(tmp_path: Path) -> None:
    outcome = overfit("inspro_motr", tmp_path)
    assert_overfit(outcome, ceiling_ap(outcome.dataset, through_stride_4))
