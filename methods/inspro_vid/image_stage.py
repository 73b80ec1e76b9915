"""InsPro-VID on single images: InsPro's stage on its own boxes, since there is no mask. Imports no torch."""

from __future__ import annotations

from dataclasses import replace

from methods.inspro import image_stage as inspro
from vis_bench.method import ImageStage

IMAGE_STAGE: ImageStage = replace(
    inspro.IMAGE_STAGE,
    unused=(
        *inspro.IMAGE_STAGE.unused,
        # of masks
        *("mask_hidden", "mask_levels", "mask_stages", "generator", "coordinate_scale"),
        *("weights.dice", "weights.mask_focal"),
    ),
)
