"""Set prediction losses of Mask2Former-VIS: one matching per clip and per prediction.

Source: Cheng et al., Mask2Former for Video Instance Segmentation; specification 5.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from methods.layers.losses import binary_cross_entropy, dice_plus_one
from methods.layers.matching import hungarian
from methods.layers.points import sample_points, uncertain_points
from methods.mask2former_vis.config import LossConfig
from vis_bench.method import Clip


@dataclass(frozen=True, slots=True)
class ClipTarget:
    """Objects of one clip on the padded frames.

    labels: [N] int64 in 0..C-1, from the object record, so that they are right for an object that is absent
    from some frame. masks: [N, T, H, W] float32 of 0 and 1, all zero in frames where the object is absent.
    """

    labels: Tensor
    masks: Tensor


def clip_target(clip: Clip, padded: tuple[int, int]) -> ClipTarget:
    """The clip's objects with their masks padded right and bottom to `padded` (height, width)."""
    height, width = clip.masks.shape[-2:]
    masks = clip.masks.transpose(0, 1).float()
    return ClipTarget(clip.labels, F.pad(masks, (0, padded[1] - width, 0, padded[0] - height)))


def pairwise_bce(logits: Tensor, targets: Tensor) -> Tensor:
    """Mean binary cross-entropy of every prediction with every target: [Q, P], [N, P] -> [Q, N].

    Uses -log sigmoid(x) = softplus(x) - x, so one matrix product is enough.
    """
    return (F.softplus(logits).sum(1, keepdim=True) - logits @ targets.t()) / logits.shape[1]


def pairwise_dice(logits: Tensor, targets: Tensor) -> Tensor:
    """1 - (2 sum(xy) + 1) / (sum x + sum y + 1) of all pairs, x = sigmoid: [Q, P], [N, P] -> [Q, N]."""
    x = logits.sigmoid()
    return 1 - (2 * x @ targets.t() + 1) / (x.sum(1)[:, None] + targets.sum(1)[None] + 1)


def matching_cost(class_logits: Tensor, masks: Tensor, target: ClipTarget, config: LossConfig) -> Tensor:
    """Cost of giving query q the object n, over the clip as one volume.

    class_logits: [Q, C+1]; masks: logits [Q, T, h, w]. Returns [Q, N]: weighted -probability + BCE + dice on
    random points; the frames of the clip share the points. Source: specification 5.
    """
    points = torch.rand((1, config.points, 2), device=masks.device)
    predicted = sample_points(masks, points).flatten(1)
    wanted = sample_points(target.masks, points).flatten(1)
    return (
        -config.class_weight * class_logits.softmax(-1)[:, target.labels]
        + config.bce_weight * pairwise_bce(predicted, wanted)
        + config.dice_weight * pairwise_dice(predicted, wanted)
    )


def classification_loss(
    class_logits: Tensor, matches: Sequence[tuple[Tensor, Tensor]], labels: Sequence[Tensor], no_object: float
) -> Tensor:
    """Cross-entropy over all queries of the batch, a mean weighted by class ("no object": `no_object`).

    class_logits: [B, Q, C+1]; matches: (queries, objects) per clip; labels: [N_b] per clip. The mean is over
    the weights, not over the number of instances. Source: specification 5.
    """
    empty = class_logits.shape[-1] - 1
    wanted = class_logits.new_full(class_logits.shape[:2], empty, dtype=torch.int64)
    for row, (queries, objects), label in zip(wanted, matches, labels, strict=True):
        row[queries] = label[objects]
    weight = class_logits.new_ones(empty + 1)
    weight[empty] = no_object
    return F.cross_entropy(class_logits.flatten(0, 1), wanted.flatten(), weight)


def mask_losses(masks: Tensor, targets: Tensor, config: LossConfig) -> tuple[Tensor, Tensor]:
    """Sums of BCE and dice over (instance, frame), each on its own uncertain points.

    masks: logits [n, T, h, w] of matched queries; targets: [n, T, H, W] of 0 and 1. A frame where the object
    is absent counts with an all-zero target. n may be 0. Source: specification 5.
    """
    if masks.shape[0] == 0:
        zero = masks.sum() * 0
        return zero, zero
    flat, wanted = masks.flatten(0, 1)[:, None], targets.flatten(0, 1)[:, None]
    points = uncertain_points(flat, config.points, config.oversample, config.importance)
    with torch.no_grad():
        labels = sample_points(wanted, points)[:, 0]
    logits = sample_points(flat, points)[:, 0]
    return binary_cross_entropy(logits, labels).sum(), dice_plus_one(logits, labels).sum()


def prediction_losses(
    class_logits: Tensor, masks: Tensor, targets: Sequence[ClipTarget], config: LossConfig
) -> dict[str, Tensor]:
    """Weighted losses of one prediction (one decoder layer) with its own matching.

    class_logits: [B, Q, C+1]; masks: logits [B, Q, T, h, w]. The mask terms are divided by the number of
    instances of the batch (>= 1), not by instances times frames. Returns scalars `class`, `bce`, `dice`.
    """
    with torch.no_grad():
        matches = [
            hungarian(matching_cost(logits, volume, target, config))
            for logits, volume, target in zip(class_logits, masks, targets, strict=True)
        ]
    instances = max(1, sum(len(target.labels) for target in targets))
    picked = torch.cat([volume[queries] for volume, (queries, _) in zip(masks, matches, strict=True)])
    wanted = torch.cat([target.masks[objects] for target, (_, objects) in zip(targets, matches, strict=True)])
    bce, dice = mask_losses(picked, wanted, config)
    labels = [target.labels for target in targets]
    return {
        "class": config.class_weight * classification_loss(class_logits, matches, labels, config.no_object),
        "bce": config.bce_weight * bce / instances,
        "dice": config.dice_weight * dice / instances,
    }
