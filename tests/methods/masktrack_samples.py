"""Clips and a very small MaskTrack R-CNN that its tests share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch

from methods.layers.backbone_config import BackboneConfig
from methods.masktrack_rcnn.config import CONFIGS, MaskTrackConfig
from methods.masktrack_rcnn.model import MaskTrackRcnn
from vis_bench.method import Clip

HEIGHT, WIDTH = 64, 96
Corners = tuple[int, int, int, int]


def small_config(**changes: Any) -> MaskTrackConfig:
    tiny = CONFIGS["tiny"]
    base = replace(
        tiny,
        backbone=BackboneConfig("small", frozen_stages=0, frozen_norm=False, widths=(16, 16, 16, 16)),
        channels=16,
        rpn=replace(tiny.rpn, candidates_per_level=20, proposals=20, samples=16),
        roi=replace(tiny.roi, fc_width=12, embed_width=10, mask_convs=1, mask_channels=16, samples=16),
    )
    return replace(base, **changes)


def small_model(classes: int = 3, **changes: Any) -> MaskTrackRcnn:
    torch.manual_seed(0)
    return MaskTrackRcnn(small_config(**changes), classes)


def make_clip(
    boxes: Sequence[Sequence[Corners | None]],
    labels: list[int] | None = None,
    size: tuple[int, int] = (HEIGHT, WIDTH),
) -> Clip:
    """boxes[frame][object] = (x1, y1, x2, y2) filled rectangles, None where absent."""
    count = len(boxes[0])
    masks = torch.zeros(len(boxes), count, *size, dtype=torch.bool)
    box = torch.zeros(len(boxes), count, 4)
    for t, row in enumerate(boxes):
        for i, corners in enumerate(row):
            if corners is not None:
                x1, y1, x2, y2 = corners
                masks[t, i, y1:y2, x1:x2] = True
                box[t, i] = torch.tensor(corners)
    generator = torch.Generator().manual_seed(1)
    return Clip(
        frames=torch.randint(0, 256, (len(boxes), 3, *size), dtype=torch.uint8, generator=generator),
        labels=torch.tensor(labels if labels is not None else [0] * count, dtype=torch.int64),
        masks=masks,
        boxes=box,
        visible=masks.flatten(2).any(2),
    )
