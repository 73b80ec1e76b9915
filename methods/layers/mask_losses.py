"""Mask costs of all pairs and mask losses of matched pairs, both on sampled points.

Source: Cheng et al., Masked-attention Mask Transformer (specification 4.2 and 5).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from methods.layers.losses import binary_cross_entropy, dice_plus_one
from methods.layers.points import sample_points, uncertain_points


def pairwise_bce(logits: Tensor, targets: Tensor) -> Tensor:
    """Mean binary cross-entropy of every prediction with every target: [Q, P], [N, P] -> [Q, N].

    Uses -log sigmoid(x) = softplus(x) - x, so one matrix product is enough.
    """
    return (F.softplus(logits).sum(1, keepdim=True) - logits @ targets.t()) / logits.shape[1]


def pairwise_dice(logits: Tensor, targets: Tensor) -> Tensor:
    """1 - (2 sum(xy) + 1) / (sum x + sum y + 1) of all pairs, x = sigmoid: [Q, P], [N, P] -> [Q, N]."""
    x = logits.sigmoid()
    return 1 - (2 * x @ targets.t() + 1) / (x.sum(1)[:, None] + targets.sum(1)[None] + 1)


def volume_cost(masks: Tensor, targets: Tensor, points: int, bce_weight: float, dice_weight: float) -> Tensor:
    """Weighted BCE + dice of every predicted with every target volume, the frames of a clip taken as one.

    masks: logits [Q, T, h, w]; targets: [N, T, H, W] of 0 and 1. points: random points, the same in all
    frames and for all pairs. Returns [Q, N]. Source: specification 4.2 and 5.
    """
    where = torch.rand((1, points, 2), device=masks.device)
    predicted = sample_points(masks, where).flatten(1)
    wanted = sample_points(targets.to(masks.dtype), where).flatten(1)
    return bce_weight * pairwise_bce(predicted, wanted) + dice_weight * pairwise_dice(predicted, wanted)


def point_mask_losses(
    masks: Tensor, targets: Tensor, points: int, oversample: float, importance: float
) -> tuple[Tensor, Tensor]:
    """Sums of BCE and dice over (instance, frame), each on its own uncertain points.

    masks: logits [n, T, h, w] of matched queries; targets: [n, T, H, W] of 0 and 1. A frame where the object
    is absent counts with an all-zero target. n and T may be 0. points, oversample, importance: as
    `uncertain_points`. Source: specification 4.2 and 5.
    """
    if masks.shape[0] == 0 or masks.shape[1] == 0:
        zero = masks.sum() * 0
        return zero, zero
    flat, wanted = masks.flatten(0, 1)[:, None], targets.flatten(0, 1)[:, None]
    where = uncertain_points(flat, points, oversample, importance)
    with torch.no_grad():
        labels = sample_points(wanted, where)[:, 0]
    logits = sample_points(flat, where)[:, 0]
    return binary_cross_entropy(logits, labels).sum(), dice_plus_one(logits, labels).sum()
