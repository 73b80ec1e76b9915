"""Pairs of frames and a very small QueryTrack that its tests share."""

from dataclasses import replace

import torch

from methods.layers.backbone_config import BackboneConfig
from methods.querytrack.config import TINY
from methods.querytrack.model import QueryTrack
from vis_bench.method import Clip

MICRO = replace(
    TINY,
    backbone=BackboneConfig(name="small", frozen_stages=0, frozen_norm=False, widths=(16, 16, 16, 16)),
    queries=5,
    dim=16,
    stages=2,
    heads=2,
    feedforward=32,
    dynamic_hidden=4,
    box_resolution=3,
    mask_resolution=4,
    track_resolution=3,
    mask_channels=16,
    mask_convs=1,
    embedding_width=6,
    box_output_gain=1.0,
    score_threshold=0.0,
)
SIZES = torch.tensor([[48, 64], [48, 64]])


def build(seed=0, classes=3, **changes):
    torch.manual_seed(seed)
    return QueryTrack(replace(MICRO, **changes), classes).eval()


def make_frames(count=4, seed=1, height=48, width=64):
    generator = torch.Generator().manual_seed(seed)
    return [
        torch.randint(0, 256, (3, height, width), dtype=torch.uint8, generator=generator)
        for _ in range(count)
    ]


def make_clip(frames=2, seed=0):
    """Two squares, the second only in the first frame."""
    masks = torch.zeros(frames, 2, 48, 64, dtype=torch.bool)
    boxes = torch.zeros(frames, 2, 4)
    visible = torch.ones(frames, 2, dtype=torch.bool)
    visible[1:, 1] = False
    for t in range(frames):
        for n, (x, y) in enumerate([(4 + 4 * t, 4), (42, 26)]):
            if visible[t, n]:
                masks[t, n, y : y + 16, x : x + 16] = True
                boxes[t, n] = torch.tensor([x, y, x + 16, y + 16])
    return Clip(torch.stack(make_frames(frames, seed)), torch.tensor([0, 1]), masks, boxes, visible)
