"""The contrastive focal loss of the tracking heads.

Source: QueryTrack, Eq 5 to 7; specification 2.2.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

Entries = Literal["all", "identities", "right"]


def assignment_logits(embeddings: Tensor, references: Tensor) -> Tensor:
    """Logits l of Eq 5: [n, D], [N, D] -> [n, 1 + N]; p_i(n) is their softmax.

    Column 0 is the constant 0, whose exponential is the "1 +" of the denominator: the probability that the
    instance is none of the N.
    """
    products = embeddings @ references.T
    return torch.cat([products.new_zeros((products.shape[0], 1)), products], dim=1)


def log_right_and_wrong(logits: Tensor) -> tuple[Tensor, Tensor]:
    """log p(k) and log(1 - p(k)) of a softmax over the last axis: [n, K] -> two [n, K].

    1 - p(k) is summed over the other entries, never subtracted: in float32 p rounds to 1 from a gap of about
    17, where log(1 - p) is minus infinity and its gradient NaN. A single entry has log(1 - p) = -inf.
    """
    total = logits.logsumexp(dim=-1, keepdim=True)
    count = logits.shape[-1]
    others = ~torch.eye(count, dtype=torch.bool, device=logits.device)
    wide = logits[:, None, :].expand(-1, count, -1)
    without = wide.masked_fill(~others, float("-inf")).logsumexp(dim=-1)
    return logits - total, without - total


def contrastive_focal_loss(
    embeddings: Tensor,
    objects: Tensor,
    references: Tensor,
    reference_objects: Tensor,
    alpha: float = 0.25,
    gamma: float = 2.0,
    entries: Entries = "all",
) -> Tensor:
    """-alpha_t (1 - p*)^gamma log p* summed over entries, for each instance of the key frame.

    embeddings: [n, D] of key-frame instances. objects: [n] int64, which object each is. references: [N, D],
    reference_objects: [N] int64, the same of the reference frame. p* is p(n) at the right entry and 1 - p(n)
    elsewhere; the right entry is the one with the same object, or 0 where the object is not in the reference
    frame. alpha_t: `alpha` at the right entry, 1 - alpha elsewhere. entries: "all" sums n = 0..N,
    "identities" n = 1..N (the range of Eq 6), "right" the right entry alone.

    Returns [n]. Gradients flow into both sides. Source: QueryTrack, Eq 5 to 7.
    """
    same = objects[:, None] == reference_objects[None]
    right = torch.cat([~same.any(dim=1, keepdim=True), same], dim=1)
    if references.shape[0] == 0:
        # p(0) = 1: nothing to learn, and log(1 - p) of a lone entry is not finite
        return (embeddings * 0).sum(dim=1)
    log_right, log_wrong = log_right_and_wrong(assignment_logits(embeddings, references))
    log_p = torch.where(right, log_right, log_wrong)
    # 1 - p* has its own logarithm, so that its power stays exact where p* rounds to 1
    log_not_p = torch.where(right, log_wrong, log_right)
    weight = torch.where(right, alpha, 1 - alpha)
    loss = -weight * (gamma * log_not_p).exp() * log_p
    if entries == "right":
        loss = loss * right
    elif entries == "identities":
        loss = loss[:, 1:]
    return loss.sum(dim=1)
