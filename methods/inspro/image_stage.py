"""InsPro on single images: baseline A, in which no frame sees another. Imports no torch."""

from __future__ import annotations

from methods.inspro.config import BASELINE
from vis_bench.method import ImageStage

IMAGE_STAGE = ImageStage(
    overrides={**BASELINE, "bank_length": 1},
    unused=(
        # the bank and what is carried to the next frame; the deduplication that is off
        *("bank_weights", "clip_training_proposals", "vanished"),
        *("weights.dedup", "weights.dedup_beta", "weights.dedup_count"),
        *(
            "presence_threshold",
            "sequence_score",
            "tracks_per_video",
            "test_short_side",
            "test_max_long_side",
        ),
    ),
    new=(r"attention\.",),
)
