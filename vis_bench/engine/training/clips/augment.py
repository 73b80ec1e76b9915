"""Geometric augmentation of a clip: one draw for all its frames, masks moved exactly as the pictures."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as F
from torchvision.tv_tensors import Mask, Video

from vis_bench.engine.training.clips.draws import Draws
from vis_bench.method import Augmentation


@dataclass(frozen=True, slots=True)
class ClipTransform:
    """One drawn augmentation, applied in this order: resize, flip, crop.

    size: (height, width) in pixels after the resize. crop: (top, left, height, width) in pixels.
    """

    size: tuple[int, int]
    flip: bool
    crop: tuple[int, int, int, int] | None


def resized(height: int, width: int, short_side: int, max_long_side: int) -> tuple[int, int]:
    """(height, width) with the shorter side at short_side, or less where the longer would exceed its bound.

    The aspect ratio is kept up to rounding (half up).
    Source: the resize rule of detectron2's ResizeShortestEdge (public code fact).
    """
    scale = min(short_side / min(height, width), max_long_side / max(height, width))
    return max(1, int(height * scale + 0.5)), max(1, int(width * scale + 0.5))


def draw_transform(augmentation: Augmentation, height: int, width: int, draws: Draws) -> ClipTransform:
    """Draw one augmentation for a clip of height x width pixels.

    Every call takes the same number of draws, so that switching one part off leaves the others as they were.
    """
    short_draw, flip_draw, crop_draw = draws.unit(), draws.unit(), draws.unit()
    height_draw, width_draw, top_draw, left_draw = (draws.unit() for _ in range(4))
    size = (height, width)
    if augmentation.short_sides:
        side = augmentation.short_sides[int(short_draw * len(augmentation.short_sides))]
        size = resized(height, width, side, augmentation.max_long_side)
    crop = None
    probability, smallest = augmentation.crop
    if crop_draw < probability:
        kept_height = max(1, round(size[0] * (smallest + (1 - smallest) * height_draw)))
        kept_width = max(1, round(size[1] * (smallest + (1 - smallest) * width_draw)))
        top = int(top_draw * (size[0] - kept_height + 1))
        left = int(left_draw * (size[1] - kept_width + 1))
        crop = (top, left, kept_height, kept_width)
    return ClipTransform(size=size, flip=flip_draw < augmentation.flip, crop=crop)


def apply_transform(
    transform: ClipTransform, frames: torch.Tensor, masks: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Transform frames [T, 3, H, W] uint8 and masks [T, N, H, W] bool alike; returns both at the new size.

    Frames are resized bilinearly with antialiasing, masks by the nearest pixel centre ("nearest-exact": plain
    "nearest" is off by up to half a source pixel against the frames).
    """
    moved_frames = _apply(transform, Video(frames), InterpolationMode.BILINEAR)
    if masks.shape[1] == 0:
        return moved_frames, masks.new_zeros((*masks.shape[:2], *moved_frames.shape[-2:]))
    moved_masks = _apply(transform, Mask(masks.to(torch.uint8)), InterpolationMode.NEAREST_EXACT)
    return moved_frames, moved_masks.bool()


def _apply(transform: ClipTransform, value: torch.Tensor, interpolation: InterpolationMode) -> torch.Tensor:
    pixels = value.as_subclass(torch.Tensor)
    if tuple(pixels.shape[-2:]) != transform.size:
        pixels = F.resize_image(
            pixels, list(transform.size), interpolation, antialias=interpolation is InterpolationMode.BILINEAR
        )
    if transform.flip:
        pixels = F.horizontal_flip_image(pixels)
    if transform.crop is not None:
        pixels = F.crop_image(pixels, *transform.crop)
    return pixels.contiguous()


def tight_boxes(masks: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Tight boxes of masks.

    masks: [..., H, W] bool. Returns boxes [..., 4] float32 (x1, y1, x2, y2) in pixels with x2, y2 exclusive,
    zeros for an empty mask, and visible [...] bool (the mask has a pixel).
    """
    columns, rows = masks.any(dim=-2), masks.any(dim=-1)
    visible = columns.any(dim=-1)
    x1, x2 = _first_and_end(columns)
    y1, y2 = _first_and_end(rows)
    boxes = torch.stack((x1, y1, x2, y2), dim=-1).to(torch.float32)
    return boxes * visible.unsqueeze(-1), visible


def _first_and_end(occupied: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    marks = occupied.to(torch.uint8)
    return marks.argmax(dim=-1), occupied.shape[-1] - marks.flip(-1).argmax(dim=-1)
