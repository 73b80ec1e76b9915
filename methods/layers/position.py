"""Sine position encodings of images and of videos.

Source: Carion et al., DETR (normalised sine encoding); Mask2Former-VIS (specification 5) for the third axis.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

_EPS = 1e-6


def sine_axis(length: int, dims: int, device: torch.device | None = None, temperature: float = 1e4) -> Tensor:
    """Encode the positions 1..length of one axis, scaled so that the last is 2 pi.

    Returns [length, dims] float32; channels 2i and 2i+1 are the sine and cosine of
    position / temperature^(2i/dims). dims must be even (ValueError).
    """
    if dims % 2:
        raise ValueError(f"a sine encoding needs an even number of channels, not {dims}")
    position = torch.arange(1, length + 1, dtype=torch.float32, device=device)
    position = position / (length + _EPS) * (2 * math.pi)
    frequency = temperature ** (torch.arange(0, dims, 2, dtype=torch.float32, device=device) / dims)
    angle = position[:, None] / frequency
    return torch.stack((angle.sin(), angle.cos()), dim=2).flatten(1)


def sine_2d(height: int, width: int, dims: int, device: torch.device | None = None) -> Tensor:
    """Position encoding of an image, [dims, height, width] float32: half of the channels for y, half for x.

    dims must be a multiple of 4 (ValueError).
    """
    if dims % 4:
        raise ValueError(f"a 2D sine encoding needs a multiple of 4 channels, not {dims}")
    y = sine_axis(height, dims // 2, device).t()[:, :, None].expand(-1, -1, width)
    x = sine_axis(width, dims // 2, device).t()[:, None, :].expand(-1, height, -1)
    return torch.cat((y, x))


def sine_3d(frames: int, height: int, width: int, dims: int, device: torch.device | None = None) -> Tensor:
    """Position encoding of a video, [frames, dims, height, width] float32.

    The 2D encoding plus a time encoding that spans all channels. dims must be a multiple of 4 (ValueError).
    Source: specification 5 ("3D sine PE = concat(sine y, sine x) + sine z").
    """
    z = sine_axis(frames, dims, device)
    return sine_2d(height, width, dims, device) + z[:, :, None, None]
