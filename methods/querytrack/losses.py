"""Losses of one stage of QueryTrack, on all images of a batch at once.

Axes: I images, N queries, C classes, G targets, K matched targets. Detection and mask terms are divided by
the number of targets of the batch (at least 1), on key and reference frames alike.
Source: QueryTrack, Sec 2; weights and normalisers of QueryInst's public code (specification 2.2).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from methods.layers.full_precision import full_precision
from methods.layers.losses import dice_squared, focal, giou
from methods.layers.mask_targets import crop_mask_targets
from methods.layers.transfer import to_device, to_host
from methods.querytrack.config import LossWeights
from methods.querytrack.targets import UNMATCHED, StageMatch, Targets, matched_pairs
from methods.querytrack.track_loss import contrastive_focal_loss


def matched_entries(queries: Tensor) -> Tensor:
    """Entries [K] int64 of the targets that have a query: `queries` [G] of one stage."""
    return (queries != UNMATCHED).nonzero().squeeze(1)


@full_precision
def detection_losses(
    class_logits: Tensor, boxes: Tensor, queries: Tensor | StageMatch, targets: Targets
) -> tuple[Tensor, Tensor, Tensor]:
    """(focal, L1 normalised by the un-padded size and summed over coordinates, GIoU); unweighted scalars.

    class_logits: [I, N, C]; every query without a target is background. boxes: [I, N, 4] px. queries: [G].
    They may come with their entries.
    """
    normaliser = targets.normaliser
    if isinstance(queries, StageMatch):
        entries, queries = queries.entries, queries.queries
    else:
        entries = matched_entries(queries)
    image, query = targets.image[entries], queries[entries]
    wanted = torch.zeros_like(class_logits)
    wanted[image, query, targets.labels[entries]] = wanted.new_ones(())  # a number would be uploaded
    predicted, true = boxes[image, query], targets.boxes[entries]
    scale = targets.sizes.flip(-1).repeat(1, 2)[image].to(boxes.dtype)
    l1 = ((predicted - true) / scale).abs().sum()
    return (
        focal(class_logits, wanted).sum() / normaliser,
        l1 / normaliser,
        giou(predicted, true).sum() / normaliser,
    )


@full_precision
def mask_loss(logits: Tensor, boxes: Tensor, entries: Tensor, targets: Targets) -> Tensor:
    """Dice of matched queries against the true masks cut at the *predicted* boxes; unweighted scalar.

    logits: [K, C, m, m]; the channel of the true class counts. boxes: [K, 4] px, those that the mask features
    were read from. entries: [K] int64 into the targets.
    """
    if entries.numel() == 0:
        return logits.sum()
    own = logits[torch.arange(len(entries), device=logits.device), targets.labels[entries]]
    wanted = crop_mask_targets(targets.masks, entries, boxes, own.shape[-1])
    return dice_squared(own, wanted).sum() / targets.normaliser


@full_precision
def track_loss(
    embeddings: Tensor,
    entries: Tensor,
    targets: Targets,
    weights: LossWeights,
    pairs: Sequence[tuple[Tensor, Tensor]] | None = None,
) -> Tensor:
    """Eq 7 for key frames (even images) against the reference frame of their own pair; unweighted scalar.

    embeddings: [K, D] of the matched queries of both frames. entries: [K] int64 into the targets. pairs: as
    in `StageMatch`, None asks the device for them. Mean over the matched instances of all key frames, 0
    where there are none.
    """
    objects = targets.objects[entries]
    if pairs is None:
        (image,) = to_host(targets.image[entries])
        flat = [place for pair in matched_pairs(image) for place in pair]
        places = to_device(*flat, device=entries.device)
        pairs = list(zip(places[::2], places[1::2], strict=True))
    terms = []
    for own, other in pairs:
        terms.append(
            contrastive_focal_loss(
                embeddings[own],
                objects[own],
                embeddings[other],
                objects[other],
                weights.track_alpha,
                weights.track_gamma,
                weights.track_entries,
            )
        )
    return torch.cat(terms).mean() if terms else embeddings.sum() * 0
