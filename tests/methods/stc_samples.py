"""Clips and a very small STC that its tests share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch

from methods.layers.backbone_config import BackboneConfig
from methods.stc.config import CONFIGS, StcConfig
from methods.stc.model import Stc
from vis_bench.method import Clip

HEIGHT, WIDTH = 64, 96
Corners = tuple[int, int, int, int]


def small_config(**changes: object) -> StcConfig:
    base = replace(
        CONFIGS["tiny"],
        backbone=BackboneConfig("small", frozen_stages=0, frozen_norm=False, widths=(8, 8, 16, 16)),
        channels=16,
        level_sizes=(24, 48),
        coordinate_scales=(24, 48, 96),
        norm_groups=4,
        tower_convs=1,
        kernel_convs=1,
        embedding_width=8,
        mask_hidden=8,
        mask_convs=1,
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def small_model(classes: int = 3, **changes: object) -> Stc:
    torch.manual_seed(0)
    return Stc(small_config(**changes), classes)


def make_clip(boxes: Sequence[Sequence[Corners | None]], labels: list[int] | None = None) -> Clip:
    """boxes[frame][object] = (x1, y1, x2, y2) filled rectangles, None where absent."""
    count = len(boxes[0])
    masks = torch.zeros(len(boxes), count, HEIGHT, WIDTH, dtype=torch.bool)
    box = torch.zeros(len(boxes), count, 4)
    for t, row in enumerate(boxes):
        for i, corners in enumerate(row):
            if corners is not None:
                x1, y1, x2, y2 = corners
                masks[t, i, y1:y2, x1:x2] = True
                box[t, i] = torch.tensor(corners)
    generator = torch.Generator().manual_seed(1)
    frames = torch.randint(0, 256, (len(boxes), 3, HEIGHT, WIDTH), dtype=torch.uint8, generator=generator)
    return Clip(
        frames=frames,
        labels=torch.tensor(labels if labels is not None else [0] * count, dtype=torch.int64),
        masks=masks,
        boxes=box,
        visible=masks.flatten(2).any(2),
    )
