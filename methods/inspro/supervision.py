"""The training losses of a clip: every term of Eq 4 to 6 on all stages and frames, weighted.

Shared by the methods that are built from InsPro's network and differ in what they propagate.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from methods.inspro.config import InsProConfig
from methods.inspro.losses import (
    Pairs,
    Targets,
    box_losses,
    classification_loss,
    deduplication_loss,
    frame_weights,
    mask_losses,
    matched_pairs,
)
from methods.inspro.masks import MaskHead
from methods.layers.full_precision import full_precision
from methods.layers.query_stage import StageOutput
from methods.layers.transfer import to_device


def stack_outputs(outputs: Sequence[Sequence[StageOutput]], name: str) -> Tensor:
    """One field of `outputs[frame][stage]`, [B, N, ...] each -> [S, T, B, N, ...]."""
    return torch.stack([torch.stack([getattr(o, name) for o in frame]) for frame in outputs], 1)


@full_precision
def weighted_losses(
    outputs: Sequence[Sequence[StageOutput]],
    slots: Tensor,
    reserved: Tensor | None,
    targets: Targets,
    mask_head: MaskHead | None,
    pyramid: Mapping[str, Tensor],
    config: InsProConfig,
    first_generator: int = 0,
    filler: Tensor | None = None,
) -> dict[str, Tensor]:
    """Weighted loss terms by name, summed over stages and averaged over frames; the total is their sum.

    outputs: [frame][stage]. slots: [S, T, B, M] int64, slot of each object or -1. reserved: [T, B, N] bool,
    slots that `vanished` = "ignore" leaves out of the class loss, or None; both may be on the host.
    mask_head: None leaves out the mask terms. pyramid: levels of all B * T frames, clip after clip.
    first_generator: number of the weight generator of the first stage in `outputs`. filler: [T, B, N] bool,
    slots that do not exist and that no loss counts. Source: InsPro, Eq 4 to 6.
    """
    weights, boxes = config.weights, stack_outputs(outputs, "boxes")
    pairs = matched_pairs(slots, boxes.device)
    ignored = None
    if reserved is not None and config.vanished == "ignore":
        (ignored,) = to_device(reserved, device=boxes.device)
    if filler is not None:
        ignored = filler if ignored is None else ignored | filler
    l1, giou = box_losses(boxes, pairs, targets)
    class_logits = stack_outputs(outputs, "class_logits")
    terms = {
        "loss_class": weights.classes * classification_loss(class_logits, pairs, targets, ignored),
        "loss_l1": weights.l1 * l1,
        "loss_giou": weights.giou * giou,
    }
    if config.dedup:
        terms["loss_dedup"] = weights.dedup * deduplication_loss(boxes, pairs, targets, weights, filler)
    if mask_head is None:
        return terms
    features = stack_outputs(outputs, "object_features")
    first = features.shape[0] - 1 if config.mask_stages == "last" else 0
    masks = mask_head.features(pyramid)
    dice, mask_focal = supervised_masks(
        features, boxes, pairs, targets, mask_head, masks, first, first_generator
    )
    terms["loss_dice"] = weights.dice * dice
    terms["loss_mask_focal"] = weights.mask_focal * mask_focal
    return terms


def supervised_masks(
    features: Tensor,
    boxes: Tensor,
    slots: Tensor | Pairs,
    targets: Targets,
    mask_head: MaskHead,
    mask_features: Tensor,
    first_stage: int,
    first_generator: int = 0,
) -> tuple[Tensor, Tensor]:
    """(dice, focal) of the masks of assigned slots, from stage `first_stage` on; scalars, unweighted.

    features: [S, T, B, N, dim]. boxes: [S, T, B, N, 4] px. mask_features: [B * T, 8, h, w]. Others as in
    `weighted_losses`.
    """
    pairs = matched_pairs(slots, boxes.device)
    _, *indices = (index.split(pairs.of_stage) for index in pairs.indices)
    per_frame, frames = frame_weights(targets), targets.visible.shape[0]
    logits, wanted, weight = [], [], []
    for s in range(first_stage, features.shape[0]):
        t, b, m, n = (index[s] for index in indices)
        found, where = features[s, t, b, n], boxes[s, t, b, n]
        logits.append(mask_head(first_generator + s, mask_features, b * frames + t, found, where))
        wanted.append(targets.masks[t, b, m])
        weight.append(per_frame[t])
    return mask_losses(torch.cat(logits), torch.cat(wanted), torch.cat(weight))
