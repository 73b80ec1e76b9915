"""MaskTrack R-CNN on single images: Mask R-CNN, without the tracking term. Imports no torch."""

from __future__ import annotations

from vis_bench.method import ImageStage

IMAGE_STAGE = ImageStage(
    overrides={"weights.tracking": 0.0},
    unused=(
        *("association", "score_threshold", "nms_iou", "detections_per_frame", "mask_threshold"),
        *("test_short_side", "test_max_long_side"),
    ),
    new=(r"track_head\.",),
)
