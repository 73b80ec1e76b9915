"""Loss terms that several methods share, unreduced so that each method states its own normaliser."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.ops import sigmoid_focal_loss


def focal(logits: Tensor, targets: Tensor, alpha: float = 0.25, gamma: float = 2.0) -> Tensor:
    """Sigmoid focal loss per element; `targets` in 0..1, same shape as `logits`.

    Source: Lin et al., Focal Loss, Eq 5.
    """
    return sigmoid_focal_loss(logits, targets, alpha=alpha, gamma=gamma, reduction="none")


def dice_squared(logits: Tensor, targets: Tensor, eps: float = 1e-5) -> Tensor:
    """1 - 2 sum(xy) / (sum x^2 + sum y^2 + eps) with x = sigmoid(logits), per row.

    logits, targets: [n, ...]; returns [n]. Source: CondInst / QueryInst (specification 7, dice a).
    """
    x = logits.sigmoid().flatten(1)
    y = targets.flatten(1).to(x.dtype)
    return 1 - 2 * (x * y).sum(1) / (x.square().sum(1) + y.square().sum(1) + eps)


def dice_plus_one(logits: Tensor, targets: Tensor) -> Tensor:
    """1 - (2 sum(xy) + 1) / (sum x + sum y + 1) with x = sigmoid(logits), per row.

    logits, targets: [n, ...]; returns [n]. Source: Mask2Former (specification 7, dice b).
    """
    x = logits.sigmoid().flatten(1)
    y = targets.flatten(1).to(x.dtype)
    return 1 - (2 * (x * y).sum(1) + 1) / (x.sum(1) + y.sum(1) + 1)


def binary_cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Mean binary cross-entropy per row: logits, targets [n, ...] -> [n]."""
    raw = F.binary_cross_entropy_with_logits(logits, targets.to(logits.dtype), reduction="none")
    return raw.flatten(1).mean(1)


def giou(predicted: Tensor, target: Tensor, eps: float = 1e-7) -> Tensor:
    """1 - GIoU of paired boxes [n, 4] (x1, y1, x2, y2) -> [n], float32 or wider.

    Equal to torchvision's `generalized_box_iou_loss`, which picks the pairs that overlap by a mask: forward
    and backward then wait for the device nine times. Source: Rezatofighi et al., GIoU.
    """
    predicted, target = (x.float() if x.dtype.itemsize < 4 else x for x in (predicted, target))
    (low, high), (low_t, high_t) = predicted.split(2, dim=-1), target.split(2, dim=-1)
    common = torch.minimum(high, high_t) - torch.maximum(low, low_t)
    intersection = torch.where((common > 0).all(-1), _area(common), 0.0)
    union = _area(high - low) + _area(high_t - low_t) - intersection
    hull = _area(torch.maximum(high, high_t) - torch.minimum(low, low_t))
    return 1 - (intersection / (union + eps) - (hull - union) / (hull + eps))


def _area(sides: Tensor) -> Tensor:
    """[..., 2] -> [...]; not `prod`, whose backward pass reads on the host whether there are zeros."""
    return sides[..., 0] * sides[..., 1]
