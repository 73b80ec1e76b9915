"""From masks predicted inside boxes to masks of the whole frame."""

from __future__ import annotations

import torch
from torch import Tensor

from vis_bench.errors import UsageError

# bounds the [n, H, W] intermediate in float32 to 256 MiB
MAX_PIXELS_AT_ONCE = 64 * 1024 * 1024


def paste_weights(low: Tensor, high: Tensor, cells: int, pixels: int) -> Tensor:
    """Bilinear weights of `cells` cells spread over [low, high] at the centres of `pixels` pixels.

    low, high: [n] px, a box along one axis; cell i has its centre at low + (i + 0.5) * (high - low) / cells,
    pixel j at j + 0.5. Beyond the outer cell centres the value falls linearly to zero at half a cell outside
    the box, since there is nothing outside. Returns [n, pixels, cells] in 0..1. A box without extent gives
    zeros. Source: grid sampling with align_corners off and zero padding (Mask R-CNN's public codes).
    """
    extent = (high - low)[:, None]
    pixel = torch.arange(pixels, device=low.device, dtype=low.dtype) + 0.5
    position = (pixel - low[:, None]) / extent.clamp(min=1e-6) * cells - 0.5
    cell = torch.arange(cells, device=low.device, dtype=low.dtype)
    weights = (1 - (position[:, :, None] - cell).abs()).clamp(min=0)
    return weights * (extent > 0)[:, :, None]


@torch.no_grad()
def paste_masks(mask_logits: Tensor, boxes: Tensor, size: tuple[int, int], threshold: float = 0.5) -> Tensor:
    """Paste masks of boxes into frames.

    mask_logits: [n, h, w] float, cells of equal size that fill the box. boxes: [n, 4] (x1, y1, x2, y2) in
    pixels of the frame, may lie partly or wholly outside. size: (H, W) of the frame. threshold: probability
    in (0, 1] from which a pixel belongs to the object. Returns bool [n, H, W].

    Probabilities are interpolated, not logits: outside the box the probability is 0, which no logit is.
    Raises UsageError for a threshold outside (0, 1]. Source: He et al., Mask R-CNN, Sec 3.1 (resize the
    mask to the box, threshold 0.5); half-pixel alignment of detectron2's and mmdet's public code.
    """
    if not 0 < threshold <= 1:
        raise UsageError(f"mask threshold is {threshold}; it is a probability above 0 and at most 1.")
    height, width = size
    count = mask_logits.shape[0]
    pasted = mask_logits.new_zeros((count, height, width), dtype=torch.bool)
    step = max(1, MAX_PIXELS_AT_ONCE // max(1, height * width))
    for start in range(0, count, step):
        part = slice(start, start + step)
        x1, y1, x2, y2 = boxes[part].to(torch.float32).unbind(1)
        rows = paste_weights(y1, y2, mask_logits.shape[1], height)
        columns = paste_weights(x1, x2, mask_logits.shape[2], width)
        probability = mask_logits[part].to(torch.float32).sigmoid()
        pasted[part] = rows @ probability @ columns.transpose(1, 2) >= threshold
    return pasted
