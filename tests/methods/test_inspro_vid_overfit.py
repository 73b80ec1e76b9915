"""InsPro-VID learns one clip by heart: matching, propagation and boxes fit together without any mask."""

from __future__ import annotations

from pathlib import Path

import pytest
from overfit import assert_overfit, overfit

# boxes are predicted as they are annotated, so nothing is lost on the way
CEILING = 1.0


@pytest.mark.long
@pytest.mark.slow
def test_one_clip_is_learnt_by_heart(tmp_path: Path) -> None:
    outcome = overfit("inspro_vid", tmp_path)
    assert not any(mask for track in outcome.tracks for mask in track.segmentations)
    assert_overfit(outcome, CEILING)
