"""Boxes as deltas on other boxes, and keeping boxes inside a frame.

Boxes are (x1, y1, x2, y2) in pixels of the network input throughout.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from methods.layers.transfer import constant

DELTA_WEIGHTS = (2.0, 2.0, 1.0, 1.0)
# bounds of dw and dh: detectron2, which Sparse R-CNN uses, has an upper one, mmdet both
SPARSE_RCNN_LOG_SCALES = (-math.inf, math.log(100_000 / 16))
MMDET_LOG_SCALES = (-math.log(1000 / 16), math.log(1000 / 16))


def decode_deltas(
    deltas: Tensor,
    boxes: Tensor,
    weights: tuple[float, float, float, float] = DELTA_WEIGHTS,
    log_scales: tuple[float, float] = SPARSE_RCNN_LOG_SCALES,
) -> Tensor:
    """Move and scale `boxes` by `deltas`; both [..., 4], returns [..., 4]. The result is not clipped.

    deltas: (dx, dy, dw, dh); after division by `weights`, dx and dy are fractions of the box size, dw and dh
    natural logarithms of the scale, kept within `log_scales`. Weights (2, 2, 1, 1) are the standard
    deviations (0.5, 0.5, 1, 1) of the delta coders that state those instead.
    Source: Girshick et al., R-CNN, appendix C; weights of Sparse R-CNN's public code (specification 2.1.4).
    """
    scale = constant(weights, deltas.device, deltas.dtype)
    offset, log_scale = (deltas / scale).split(2, dim=-1)
    low, high = boxes.split(2, dim=-1)
    size = high - low
    centre = low + 0.5 * size + offset * size
    half = 0.5 * size * log_scale.clamp(*log_scales).exp()
    return torch.cat([centre - half, centre + half], dim=-1)


def encode_deltas(
    target: Tensor,
    boxes: Tensor,
    weights: tuple[float, float, float, float] = DELTA_WEIGHTS,
) -> Tensor:
    """The deltas that move `boxes` onto `target`: inverse of `decode_deltas`; both [..., 4] -> [..., 4].

    Both boxes need an area above 0, or the result is not finite. Source: as `decode_deltas`.
    """

    def centre_and_size(corners: Tensor) -> tuple[Tensor, Tensor]:
        low, high = corners.split(2, dim=-1)
        return 0.5 * (low + high), high - low

    (wanted, wanted_size), (centre, size) = centre_and_size(target), centre_and_size(boxes)
    deltas = torch.cat([(wanted - centre) / size, (wanted_size / size).log()], dim=-1)
    return deltas * constant(weights, deltas.device, deltas.dtype)


def clip_boxes(boxes: Tensor, sizes: Tensor, min_size: float = 1.0) -> Tensor:
    """Clip boxes [B, N, 4] to frames of `sizes` [B, 2] (height, width), every side at least `min_size` px.

    The lower bound matters when boxes are propagated: a box clipped to width 0 stays at width 0 for ever,
    because deltas multiply the size.
    """
    limit = sizes.to(boxes.dtype).flip(-1)[:, None, :]
    low, high = boxes.split(2, dim=-1)
    low = torch.minimum(low.clamp(min=0), limit - min_size)
    high = torch.minimum(torch.maximum(high, low + min_size), limit)
    return torch.cat([low, high], dim=-1)


def normalised_to_pixels(centre_boxes: Tensor, sizes: Tensor) -> Tensor:
    """Normalised (cx, cy, w, h) boxes [N, 4] for frames of `sizes` [B, 2] (height, width) -> [B, N, 4] px."""
    scale = sizes.to(centre_boxes.dtype).flip(-1).repeat(1, 2)[:, None, :]
    centre, size = centre_boxes.split(2, dim=-1)
    corners = torch.cat([centre - 0.5 * size, centre + 0.5 * size], dim=-1)
    return corners[None] * scale
