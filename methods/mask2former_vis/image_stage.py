"""Mask2Former-VIS on single images: Mask2Former itself, a clip of one frame. Imports no torch."""

from __future__ import annotations

from vis_bench.method import ImageStage

IMAGE_STAGE = ImageStage(
    unused=("top_k", "frames_per_pass", "low_memory", "test_short_side", "test_max_long_side"),
)
