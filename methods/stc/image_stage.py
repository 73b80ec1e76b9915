"""STC on single images: CondInst, without tracking and consistency between frames. Imports no torch."""

from __future__ import annotations

from vis_bench.method import ImageStage

IMAGE_STAGE = ImageStage(
    # the tracking head learns nothing here, so one size of it serves all
    overrides={
        "loss.tracking_weight": 0.0,
        "loss.consistency": False,
        "tracking_convs": 1,
        "embedding_width": 16,
    },
    unused=(
        *("loss.tracking", "loss.bidirectional", "loss.negatives", "loss.negatives_from", "loss.anchors"),
        *("loss.anchor_reading", "loss.contra_pos_reduce", "loss.consistency_weight"),
        *("loss.consistency_reduce", "association", "score_threshold", "threshold_on"),
        *("candidates_per_level", "nms_iou", "detections_per_frame", "test_short_side", "test_max_long_side"),
    ),
    new=(r"tracking\.",),
)
