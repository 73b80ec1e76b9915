"""IFR on single images: a clip of one frame; its modules between frames start anew. Imports no torch.

Source: IFR, Section 4.1, "Since pretraining the inter-frame recurrent attention modules is not possible with
an image instance segmentation dataset, we randomly initialize these modules".
"""

from __future__ import annotations

from vis_bench.method import ImageStage

IMAGE_STAGE = ImageStage(
    # one frame has nothing to aggregate: a layer is Mask2Former's own
    overrides={"loss.cross_frame_weight": 0.0, "decoder.aggregation": "none"},
    unused=(
        *("inference", "top_k", "frames_per_pass", "low_memory", "test_short_side", "test_max_long_side"),
    ),
    # what reads all frames of a clip; the attention of a single frame and the heads are Mask2Former's
    new=(r"decoder\.layers\.\d+\.(temporal_attention|clip_attention|clip_feed_forward)\.",),
)
