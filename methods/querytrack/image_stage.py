"""QueryTrack on single images: QueryInst, without the tracking term. Imports no torch."""

from __future__ import annotations

from vis_bench.method import ImageStage

IMAGE_STAGE = ImageStage(
    # the tracking heads learn nothing here, so one size of them serves all
    overrides={"weights.track": 0.0, "track_stages": "all", "track_resolution": 7, "embedding_width": 16},
    unused=(
        *("reference_boxes", "weights.track_alpha", "weights.track_gamma", "weights.track_entries"),
        *("association", "query_once", "score_threshold", "detections_per_frame"),
        *("test_short_side", "test_max_long_side"),
    ),
    new=(r"track_heads\.",),
)
