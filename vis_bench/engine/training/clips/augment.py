"""Geometric augmentation of a clip: one draw for all its frames, masks moved exactly as the pictures."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import torch
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as F

from vis_bench.engine.training.clips.draws import Draws
from vis_bench.masks.sampled import Window
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


def output_size(transform: ClipTransform) -> tuple[int, int]:
    """(height, width) in pixels of a transformed clip."""
    return transform.size if transform.crop is None else transform.crop[2:]


def move_frame(transform: ClipTransform, frame: torch.Tensor, out: torch.Tensor) -> None:
    """Write the transformed frame [3, H, W] uint8 to `out` [3, h, w] uint8, contiguous; h, w: `output_size`.

    The resize is bilinear with antialiasing. It is several times faster on a frame whose channels lie side by
    side, as decoders leave them (strides 1, 3W, 3), than on one in planes, and gives the same bytes.
    """
    pixels = frame[None]
    if tuple(frame.shape[-2:]) != transform.size:
        pixels = F.resize_image(pixels, list(transform.size), InterpolationMode.BILINEAR, antialias=True)
    # NumPy moves channels apart in half the time of torch, and reads backwards without a copy
    moved = pixels[0].numpy()
    if transform.flip:
        moved = moved[:, :, ::-1]
    if transform.crop is not None:
        top, left, height, width = transform.crop
        moved = moved[:, top : top + height, left : left + width]
    np.copyto(out.numpy(), moved)


def mask_window(transform: ClipTransform, size: tuple[int, int]) -> Window:
    """Which pixels of a mask of `size` (height, width) the transformed mask shows: its nearest pixel centres.

    "nearest-exact": plain "nearest" is off by up to half a source pixel against the frames.
    """
    rows, columns = (nearest_exact(*sides) for sides in zip(size, transform.size, strict=True))
    if transform.crop is not None:
        top, left, height, width = transform.crop
        if transform.flip:
            left = transform.size[1] - left - width
        rows, columns = rows[top : top + height], columns[left : left + width]
    return Window(size, rows, columns, mirrored=transform.flip)


@functools.lru_cache(maxsize=256)
def nearest_exact(source: int, target: int) -> np.ndarray:
    """[target] int64: the source pixel (0..source-1) of each target pixel, as torch's "nearest-exact" has it.

    It is asked rather than computed again, because its rounding decides. source: at most 65,535 pixels.
    """
    pixels = torch.arange(source)
    # numbers below 256, since the resize of masks works on bytes
    low, high = (part.to(torch.uint8)[None, None] for part in (pixels % 256, pixels // 256))
    if source == target:
        return pixels.numpy()
    found = F.resize_image(torch.stack((low, high), dim=1), [1, target], InterpolationMode.NEAREST_EXACT)
    return (found[0, 0, 0].long() + 256 * found[0, 1, 0].long()).numpy()


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
