"""IFR learns one video by heart: decoder, losses, inference per video and clip by clip fit together."""

from __future__ import annotations

from pathlib import Path

import pytest
from overfit import assert_overfit, ceiling_ap, overfit
from query_mask_ceiling import through_stride_4

from methods.ifr.config import TINY
from vis_bench.engine.track import track_video
from vis_bench.engine.training.weights import load_weights
from vis_bench.records.run import CHECKPOINT_NAME
from vis_bench.scoring.evaluate import evaluate
from vis_bench.setup.config import override
from vis_bench.setup.plugins import build_method, load_spec


@pytest.mark.long
@pytest.mark.slow
def test_one_video_is_learnt_by_heart(tmp_path: Path) -> None:
    # three frames and training clips of two, so that stitching has something to do
    outcome = overfit("ifr", tmp_path, frames=3, iterations=200)
    ceiling = ceiling_ap(outcome.dataset, through_stride_4)
    assert_overfit(outcome, ceiling)

    spec = load_spec("ifr")
    weights = load_weights(tmp_path / CHECKPOINT_NAME)
    for variant in ("clip2", "tta"):
        model = build_method(spec, override(TINY, spec.variants[variant]), len(outcome.dataset.categories))
        model.load_state_dict(weights)
        tracks = track_video(model.eval(), outcome.dataset, outcome.dataset.videos[0], "cpu").tracks
        scores = evaluate(outcome.dataset, tracks, ["ap"])["video_ap"]
        assert scores["AP50"] >= 0.95, variant
