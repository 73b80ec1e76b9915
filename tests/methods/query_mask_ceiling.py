"""What masks as dot products with features at stride 4 lose at best."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from methods.layers.images import logits_to_original


def through_stride_4(masks: Tensor) -> Tensor:
    """Truth [T, N, H, W] bool -> the masks that inference gives for the best logits at stride 4.

    A cell's logit is the mean over its pixels, each +1 inside and -1 outside; the rest is inference: bilinear
    upsampling of logits, cut at 0. Height and width must be multiples of 4.
    """
    size = (masks.shape[-2], masks.shape[-1])
    cells = F.avg_pool2d(2 * masks.flatten(0, 1)[:, None].float() - 1, 4)[:, 0]
    return (logits_to_original(cells, size, size, size) > 0).unflatten(0, masks.shape[:2])
