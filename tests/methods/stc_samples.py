"""Clips, a very small STC and a network with given boxes that its tests share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from methods.layers.backbone_config import BackboneConfig
from methods.layers.fcos import Grid, make_grid
from methods.stc.config import CONFIGS, StcConfig
from methods.stc.model import Stc
from methods.stc.outputs import StcOutputs
from vis_bench.method import Clip

HEIGHT, WIDTH = 64, 96
MAP = (HEIGHT // 8, WIDTH // 8)
Corners = tuple[int, int, int, int]
PAIR = [[(4, 4, 36, 40), (50, 10, 80, 50)], [(8, 4, 40, 40), (46, 10, 76, 50)]]


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


def grid() -> Grid:
    return make_grid([(HEIGHT // s, WIDTH // s) for s in (8, 16, 32)], (8, 16, 32))


def outputs(images: int, classes: int = 3) -> StcOutputs:
    """Random outputs that carry gradients."""
    torch.manual_seed(3)
    points = len(grid().points)
    return StcOutputs(
        grid=grid(),
        class_logits=torch.randn(images, points, classes, requires_grad=True),
        ltrb=(torch.rand(images, points, 4) * 30).requires_grad_(),
        centre_logits=torch.randn(images, points, requires_grad=True),
        kernels=torch.randn(images, points, 169, requires_grad=True),
        mask_feature=torch.randn(images, 8, *MAP, requires_grad=True),
        embedding=torch.randn(images, 8, *MAP, requires_grad=True),
    )


def logit(p: float) -> float:
    return float(torch.logit(torch.tensor(p)))


class Canned:
    """A network that sees boxes at given points: (level, row, column, label, class, centre-ness, ltrb)."""

    def __init__(self, *rows: tuple, classes: int = 3, kernel_bias: float = 50.0) -> None:
        self.rows, self.classes, self.kernel_bias = rows, classes, kernel_bias

    def __call__(self, images: torch.Tensor) -> StcOutputs:
        height, width = images.shape[-2:]
        sizes = [(height // s, width // s) for s in (8, 16, 32)]
        grid = make_grid(sizes, (8, 16, 32))
        count = len(grid.points)
        starts = np.cumsum([0] + [h * w for h, w in sizes])
        classes = torch.full((1, count, self.classes), -20.0)
        centres = torch.full((1, count), -20.0)
        ltrb = torch.ones(1, count, 4)
        for level, row, column, label, p, centre, distances in self.rows:
            index = starts[level] + row * sizes[level][1] + column
            classes[0, index, label] = logit(p)
            centres[0, index] = logit(centre)
            ltrb[0, index] = torch.tensor(distances)
        kernels = torch.zeros(1, count, 169)
        kernels[..., 168] = self.kernel_bias
        feature = torch.zeros(1, 8, height // 8, width // 8)
        # the embedding of a cell is its own (column, row)
        yy, xx = torch.meshgrid(torch.arange(height // 8.0), torch.arange(width // 8.0), indexing="ij")
        return StcOutputs(grid, classes, ltrb, centres, kernels, feature, torch.stack((xx, yy))[None])


def blank(height: int = HEIGHT, width: int = WIDTH) -> torch.Tensor:
    return torch.zeros(3, height, width, dtype=torch.uint8)
