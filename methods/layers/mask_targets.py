"""Mask targets of boxes: the true mask of an object, cut at a predicted box and resized to its cells."""

from __future__ import annotations

import torch
from torch import Tensor
from torchvision.ops import roi_align


@torch.no_grad()
def crop_mask_targets(masks: Tensor, index: Tensor, boxes: Tensor, resolution: int = 28) -> Tensor:
    """Targets for masks predicted inside boxes.

    masks: [M, H, W] bool, full resolution. index: [n] int64 in 0..M-1, the mask of each box. boxes: [n, 4] px
    (x1, y1, x2, y2) in the coordinates of `masks`; parts outside the frame are empty. resolution: cells per
    side. Returns float [n, resolution, resolution] of zeros and ones: a cell is 1 where the object covers at
    least half of it.

    Source: He et al., Mask R-CNN, Sec 3 (the target is the intersection of RoI and true mask); RoIAlign with
    half-pixel alignment and as many samples as a cell has pixels, as in mmdet's public code.
    """
    if boxes.shape[0] == 0:
        return boxes.new_zeros((0, resolution, resolution))
    # all masks become float: to find those that are asked for, the host would have to wait for the device
    rois = torch.cat([index[:, None].to(boxes.dtype), boxes.detach()], dim=1)
    covered = roi_align(
        masks[:, None].to(boxes.dtype), rois, output_size=resolution, sampling_ratio=-1, aligned=True
    )
    return (covered[:, 0] >= 0.5).to(boxes.dtype)
