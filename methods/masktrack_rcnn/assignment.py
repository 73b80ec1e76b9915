"""Which object an anchor or a proposal is responsible for, and which of them take part in a loss.

Source: Ren et al., Faster R-CNN, Sec 3.1.2; thresholds of specification 1.2. torchvision's matcher makes the
best anchor of an object positive at any IoU, so it is not used.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torchvision.ops import box_iou

NEGATIVE, IGNORED = -1, -2


@torch.no_grad()
def assign_boxes(
    candidates: Tensor,
    truth: Tensor,
    positive_iou: float,
    negative_iou: float,
    low_quality_iou: float | None = None,
) -> Tensor:
    """The object of each candidate box: [A, 4], [N, 4] px -> [A] int64 in 0..N-1, NEGATIVE or IGNORED.

    A candidate belongs to the object of its largest IoU from `positive_iou` on (ties to the lower number); it
    is negative below `negative_iou` and ignored between the two. With `low_quality_iou`, all candidates that
    reach the largest IoU of an object also belong to it, whatever the thresholds say, if that IoU is at least
    `low_quality_iou`; the last object wins. Without objects everything is negative.
    """
    if len(truth) == 0 or len(candidates) == 0:
        return torch.full((len(candidates),), NEGATIVE, dtype=torch.int64, device=candidates.device)
    iou = box_iou(candidates, truth)
    best, owner = iou.max(dim=1)
    assigned = torch.where(best < negative_iou, NEGATIVE, IGNORED)
    assigned = torch.where(best >= positive_iou, owner, assigned)
    if low_quality_iou is not None:
        reached = iou.amax(dim=0)
        ties = (iou == reached) & (reached >= low_quality_iou)
        numbers = torch.arange(len(truth), device=iou.device)
        last = torch.where(ties, numbers, -1).amax(dim=1)
        assigned = torch.where(last >= 0, last, assigned)
    return assigned


@torch.no_grad()
def sample_balanced(assigned: Tensor, samples: int, positive_fraction: float) -> tuple[Tensor, Tensor]:
    """Random positives, at most `samples * positive_fraction`, filled up to `samples` with random negatives.

    assigned: [A] int64 as from `assign_boxes`, best on the host, since the outcome's size depends on it;
    ignored ones are never drawn. Returns indices (positives [p], negatives [q]) int64 with p + q <= samples.
    """

    def draw(rows: Tensor, count: int) -> Tensor:
        return rows[torch.randperm(len(rows), device=rows.device)[:count]]

    positives = draw((assigned >= 0).nonzero()[:, 0], int(samples * positive_fraction))
    negatives = draw((assigned == NEGATIVE).nonzero()[:, 0], samples - len(positives))
    return positives, negatives
