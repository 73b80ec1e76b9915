"""Set prediction losses of IFR: matching on own-frame masks, cross-frame masks in the loss only.

Source: IFR Eq 4 to 7; specification 4.2.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from methods.ifr.config import LossConfig
from methods.ifr.decoder import RecurrentOutput
from methods.layers.clip_target import ClipTarget
from methods.layers.full_precision import full_precision
from methods.layers.losses import focal
from methods.layers.mask_losses import point_mask_losses, volume_cost
from methods.layers.matching import hungarian_all


def own_frame_masks(embeddings: Tensor, features: Tensor) -> Tensor:
    """Mask of frame t by the query of frame t: [T, Q, m], [T, m, h, w] -> logits [Q, T, h, w]."""
    return torch.einsum("tqm,tmhw->qthw", embeddings, features)


def cross_frame_masks(embeddings: Tensor, features: Tensor) -> Tensor:
    """Mask of frame s by the query of every frame t: [T, Q, m], [T, m, h, w] -> logits [Q, T, T, h, w].

    Entry [q, t, s] is the frame query of t on the features of s; the diagonal is `own_frame_masks`.
    Source: IFR 3.2 ("each frame-level queries are used to predict the masks of the same instance in the
    other frames"); Eq 6 as printed compares the mask of frame t with the truth of s, which is not that.
    """
    return torch.einsum("tqm,smhw->qtshw", embeddings, features)


def matching_cost(class_logits: Tensor, masks: Tensor, target: ClipTarget, config: LossConfig) -> Tensor:
    """Eq 4: cost of giving query q the object n, over the clip as one volume.

    class_logits: [Q, C]; masks: own-frame logits [Q, T, h, w]. Returns [Q, N].
    """
    volumes = volume_cost(masks, target.masks, config.points, config.bce_weight, config.dice_weight)
    return volumes - config.class_weight * class_logits.sigmoid()[:, target.labels]


def classification_loss(
    class_logits: Tensor,
    matches: Sequence[tuple[Tensor, Tensor]],
    labels: Sequence[Tensor],
    instances: float,
    config: LossConfig,
) -> Tensor:
    """Sigmoid focal loss over all queries and classes, divided by the number of instances.

    class_logits: [B, Q, C]; matches: (queries, objects) per clip; labels: [N_b] per clip. A query without an
    object has the target 0 for every class. Source: Eq 5 (L_cls is focal loss).
    """
    wanted = torch.zeros_like(class_logits)
    for row, (queries, objects), label in zip(wanted, matches, labels, strict=True):
        row[queries, label[objects]] = row.new_ones(())  # a number would be uploaded
    return focal(class_logits, wanted, config.focal_alpha, config.focal_gamma).sum() / instances


def mask_losses(pairs: Tensor, targets: Tensor, config: LossConfig) -> dict[str, Tensor]:
    """Sums of Eq 6 and 7 over matched queries, before lambda_m, lambda_D and lambda_e.

    pairs: logits [n, T, T, h, w], entry [i, t, s] the frame query of t on the features of s; targets:
    [n, T, H, W]. Returns scalars `bce` and `dice`, sums over (instance, frame), and `cross_bce` and
    `cross_dice`, sums over (instance, frame of the query t, other frame s) against the truth of s.
    """
    sampling = (config.points, config.oversample, config.importance)
    length = pairs.shape[1]
    bce, dice = point_mask_losses(pairs.flatten(1, 2)[:, :: length + 1], targets, *sampling)
    other = _off_diagonal(targets[:, None].expand(-1, length, -1, -1, -1))
    cross_bce, cross_dice = point_mask_losses(_off_diagonal(pairs), other, *sampling)
    return {"bce": bce, "dice": dice, "cross_bce": cross_bce, "cross_dice": cross_dice}


def _off_diagonal(pairs: Tensor) -> Tensor:
    """Entries [n, t, s] with t != s of [n, T, T, h, w], row by row: [n, T (T - 1), h, w].

    Behind the first entry, the diagonal is the last of every T + 1; a mask would make the host wait.
    """
    length = pairs.shape[1]
    rows = pairs.flatten(1, 2)[:, 1:].unflatten(1, (length - 1, length + 1))
    return rows[:, :, :-1].flatten(1, 2)


@full_precision
@torch.no_grad()
def prediction_costs(
    output: RecurrentOutput, features: Tensor, targets: Sequence[ClipTarget], config: LossConfig
) -> list[Tensor]:
    """`matching_cost` [Q, N_b] of one prediction for each clip; arguments as `prediction_losses`."""
    return [
        matching_cost(logits, own_frame_masks(embeddings, frames), target, config)
        for logits, embeddings, frames, target in zip(
            output.class_logits, output.mask_embeddings, features, targets, strict=True
        )
    ]


@full_precision
def prediction_losses(
    output: RecurrentOutput,
    features: Tensor,
    targets: Sequence[ClipTarget],
    config: LossConfig,
    matches: Sequence[tuple[Tensor, Tensor]] | None = None,
    instances: float | None = None,
) -> dict[str, Tensor]:
    """Weighted losses of one prediction (one decoder layer) with its own matching (Eq 5).

    features: mask features [B, T, m, h, w]. matches: (queries, objects) per clip, so that all predictions can
    be matched at once; None matches this one alone. Mask terms are divided by the number of instances of the
    batch (>= 1), not by instances times frames; instances: the number to divide by in place of it. The
    prediction before the first layer has no cross-frame terms: its query is the same in all frames. Returns
    scalars `class`, `bce`, `dice` and, where lambda_e is
    positive, `cross_bce` and `cross_dice`.
    """
    if matches is None:
        matches = hungarian_all(prediction_costs(output, features, targets, config))
    instances = max(1, sum(len(target.labels) for target in targets) if instances is None else instances)
    wanted = torch.cat([target.masks[objects] for target, (_, objects) in zip(targets, matches, strict=True)])
    matched = [
        (embeddings[:, queries], frames)
        for embeddings, frames, (queries, _) in zip(output.mask_embeddings, features, matches, strict=True)
    ]
    if config.cross_frame_weight > 0 and not output.static:
        sums = mask_losses(torch.cat([cross_frame_masks(*clip) for clip in matched]), wanted, config)
    else:
        own = torch.cat([own_frame_masks(*clip) for clip in matched])
        bce, dice = point_mask_losses(own, wanted, config.points, config.oversample, config.importance)
        sums = {"bce": bce, "dice": dice}
    weights = {"bce": config.bce_weight, "dice": config.dice_weight}
    weights |= {f"cross_{name}": config.cross_frame_weight * weight for name, weight in weights.items()}
    labels = [target.labels for target in targets]
    classes = classification_loss(output.class_logits, matches, labels, instances, config)
    return {
        "class": config.class_weight * classes,
        **{name: weights[name] * value / instances for name, value in sums.items()},
    }
