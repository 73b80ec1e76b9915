"""From uint8 frames to a padded, normalised batch, and from mask logits back to the original size.

Source: specification 0.1 and 0.2 (ImageNet mean and standard deviation, RGB, zero padding right and bottom).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from methods.layers.transfer import constant

MEAN_RGB = (123.675, 116.28, 103.53)
STD_RGB = (58.395, 57.12, 57.375)


def resized_size(height: int, width: int, short_side: int, max_long_side: int = 1333) -> tuple[int, int]:
    """(height, width) after resizing the shorter side to `short_side`, the longer at most `max_long_side`."""
    scale = short_side / min(height, width)
    scale = min(scale, max_long_side / max(height, width))
    return max(1, round(height * scale)), max(1, round(width * scale))


def resize_frame(frame: Tensor, short_side: int | None, max_long_side: int = 1333) -> Tensor:
    """Resize one uint8 frame [3, H, W] to a shorter side, bilinear with antialiasing -> uint8 [3, h, w].

    None keeps the original size.
    """
    height, width = frame.shape[-2:]
    if short_side is None:
        return frame
    size = resized_size(height, width, short_side, max_long_side)
    if size == (height, width):
        return frame
    resized = F.interpolate(
        frame[None].float(), size=size, mode="bilinear", align_corners=False, antialias=True
    )
    return resized[0].round_().clamp_(0, 255).to(torch.uint8)


def padded_size(frames: Sequence[Tensor], divisor: int = 32) -> tuple[int, int]:
    """(height, width) of a batch of images [..., H_i, W_i]: the largest of each, up to a multiple."""
    height = -(-max(frame.shape[-2] for frame in frames) // divisor) * divisor
    width = -(-max(frame.shape[-1] for frame in frames) // divisor) * divisor
    return height, width


def normalise_and_pad(frames: Sequence[Tensor], divisor: int = 32) -> Tensor:
    """Normalise uint8 frames [3, H_i, W_i] and pad them right and bottom to one size.

    Returns [len(frames), 3, H, W] float32 with H and W multiples of `divisor`; padding is zero after
    normalisation.
    """
    height, width = padded_size(frames, divisor)
    mean = constant(MEAN_RGB, frames[0].device).view(3, 1, 1)
    std = constant(STD_RGB, frames[0].device).view(3, 1, 1)
    batch = torch.zeros((len(frames), 3, height, width), device=frames[0].device)
    for target, frame in zip(batch, frames, strict=True):
        target[:, : frame.shape[-2], : frame.shape[-1]] = (frame.float() - mean) / std
    return batch


def masks_to_original(
    logits: Tensor, padded: tuple[int, int], resized: tuple[int, int], original: tuple[int, int]
) -> Tensor:
    """Mask logits [n, h, w] -> bool [n, H, W] at the original size.

    The order is fixed: upsample to the padded input, cut the padding, resize to the original, threshold at
    logit > 0. padded, resized, original: (height, width) in pixels. Source: specification 0.2.
    """
    return logits_to_original(logits, padded, resized, original) > 0


def logits_to_original(
    logits: Tensor, padded: tuple[int, int], resized: tuple[int, int], original: tuple[int, int]
) -> Tensor:
    """Mask logits [n, h, w] -> logits [n, H, W] at the original size, in the order of `masks_to_original`."""
    if logits.shape[0] == 0:
        return logits.new_zeros((0, *original))
    full = F.interpolate(logits[None], size=padded, mode="bilinear", align_corners=False)
    full = full[..., : resized[0], : resized[1]]
    if resized != original:
        full = F.interpolate(full, size=original, mode="bilinear", align_corners=False)
    return full[0]
