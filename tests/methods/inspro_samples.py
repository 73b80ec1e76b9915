"""Small models, frames and clips for tests of InsPro's relatives."""

from dataclasses import replace

import torch

from methods.inspro_lite.config import TINY
from methods.layers.backbone_config import BackboneConfig
from vis_bench.method import Clip
from vis_bench.types import Video

FRAME_SIZE = (48, 64)
VIDEO = Video(1, "v", 64, 48, ("a", "b", "c", "d"))

LITE_MICRO = replace(
    TINY,
    backbone=BackboneConfig(name="small", frozen_stages=0, frozen_norm=False, widths=(8, 8, 8, 8)),
    queries=6,
    dim=16,
    stages=2,
    heads=2,
    feedforward=32,
    dynamic_hidden=4,
    roi_resolution=3,
    mask_hidden=8,
    box_output_gain=1.0,
)


def make_frames(count: int = 4, seed: int = 1) -> list[torch.Tensor]:
    """Frames of noise, uint8 [3, 48, 64] each."""
    generator = torch.Generator().manual_seed(seed)
    return [torch.randint(0, 256, (3, 48, 64), dtype=torch.uint8, generator=generator) for _ in range(count)]


def moving_squares(frames: int = 3, seed: int = 0) -> Clip:
    """A red square moving right and a green one moving left on grey noise; exact masks."""
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(100, 140, (frames, 3, *FRAME_SIZE), dtype=torch.uint8, generator=generator)
    masks = torch.zeros(frames, 2, *FRAME_SIZE, dtype=torch.bool)
    boxes = torch.zeros(frames, 2, 4)
    colours = torch.tensor([[250, 10, 10], [10, 250, 10]], dtype=torch.uint8)
    for t in range(frames):
        for n, (x, y) in enumerate([(4 + 4 * t, 4), (42 - 4 * t, 26)]):
            masks[t, n, y : y + 16, x : x + 16] = True
            boxes[t, n] = torch.tensor([x, y, x + 16, y + 16])
            images[t][:, masks[t, n]] = colours[n][:, None]
    return Clip(
        frames=images,
        labels=torch.tensor([0, 1]),
        masks=masks,
        boxes=boxes,
        visible=torch.ones(frames, 2, dtype=torch.bool),
    )
