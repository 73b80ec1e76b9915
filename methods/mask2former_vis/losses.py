"""Set prediction losses of Mask2Former-VIS: one matching per clip and per prediction.

Source: Cheng et al., Mask2Former for Video Instance Segmentation; specification 5.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from methods.layers.clip_target import ClipTarget
from methods.layers.full_precision import full_precision
from methods.layers.mask_losses import point_mask_losses, volume_cost
from methods.layers.matching import hungarian_all
from methods.mask2former_vis.config import LossConfig


def matching_cost(class_logits: Tensor, masks: Tensor, target: ClipTarget, config: LossConfig) -> Tensor:
    """Cost of giving query q the object n, over the clip as one volume.

    class_logits: [Q, C+1]; masks: logits [Q, T, h, w]. Returns [Q, N]: weighted -probability + BCE + dice on
    random points; the frames of the clip share the points. Source: specification 5.
    """
    volumes = volume_cost(masks, target.masks, config.points, config.bce_weight, config.dice_weight)
    return volumes - config.class_weight * class_logits.softmax(-1)[:, target.labels]


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


@full_precision
@torch.no_grad()
def prediction_costs(
    class_logits: Tensor, masks: Tensor, targets: Sequence[ClipTarget], config: LossConfig
) -> list[Tensor]:
    """`matching_cost` [Q, N_b] of one prediction for each clip; arguments as `prediction_losses`."""
    return [
        matching_cost(logits, volume, target, config)
        for logits, volume, target in zip(class_logits, masks, targets, strict=True)
    ]


@full_precision
def prediction_losses(
    class_logits: Tensor,
    masks: Tensor,
    targets: Sequence[ClipTarget],
    config: LossConfig,
    matches: Sequence[tuple[Tensor, Tensor]] | None = None,
    instances: float | None = None,
) -> dict[str, Tensor]:
    """Weighted losses of one prediction (one decoder layer) with its own matching.

    class_logits: [B, Q, C+1]; masks: logits [B, Q, T, h, w]. matches: (queries, objects) per clip, so that
    all predictions can be matched at once; None matches this one alone. The mask terms are divided by the
    number of instances of the batch (>= 1), not by instances times frames; instances: the number to divide by
    in place of it. Returns scalars `class`, `bce`, `dice`.
    """
    if matches is None:
        matches = hungarian_all(prediction_costs(class_logits, masks, targets, config))
    instances = max(1, sum(len(target.labels) for target in targets) if instances is None else instances)
    picked = torch.cat([volume[queries] for volume, (queries, _) in zip(masks, matches, strict=True)])
    wanted = torch.cat([target.masks[objects] for target, (_, objects) in zip(targets, matches, strict=True)])
    bce, dice = point_mask_losses(picked, wanted, config.points, config.oversample, config.importance)
    labels = [target.labels for target in targets]
    return {
        "class": config.class_weight * classification_loss(class_logits, matches, labels, config.no_object),
        "bce": config.bce_weight * bce / instances,
        "dice": config.dice_weight * dice / instances,
    }
