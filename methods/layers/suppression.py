"""Non-maximum suppression within groups, with one wait for the device.

torchvision's `batched_nms` uploads a constant, and above a number of boxes it waits once for every group.
"""

from __future__ import annotations

from torch import Tensor
from torchvision.ops import batched_nms, nms


def grouped_nms(boxes: Tensor, scores: Tensor, groups: Tensor, max_iou: float) -> Tensor:
    """Indices [k] int64 of the boxes that no better box of their group overlaps by more than `max_iou`.

    boxes: [n, 4] (x1, y1, x2, y2), x1, y1 >= 0. scores: [n]. groups: [n] int64 >= 0. Best first. A box
    without area neither suppresses nor is suppressed.
    """
    if boxes.device.type == "cpu" or boxes.shape[0] == 0:
        return batched_nms(boxes, scores, groups, max_iou)
    # boxes of different groups are moved so far apart that they cannot meet
    offsets = groups.to(boxes.dtype) * (boxes.max() + 1)
    return nms(boxes + offsets[:, None], scores, max_iou)
