"""The tracking loss of MaskTrack R-CNN: a softmax over "new object" and the identities of a reference frame.

Source: MaskTrack R-CNN public code (specification 1.1 and 1.2).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from methods.layers.full_precision import full_precision


def identity_logits(embeddings: Tensor, memory: Tensor, dummy_logit: float = 0.0) -> Tensor:
    """[n, D] embeddings against [N, D] identities -> logits [n, 1 + N]; column 0 is the constant "new"."""
    similarity = embeddings @ memory.T
    return torch.cat((similarity.new_full((len(embeddings), 1), dummy_logit), similarity), dim=1)


@full_precision
def identity_loss(
    embeddings: Tensor, objects: Tensor, memory: Tensor, present: Tensor, dummy_logit: float = 0.0
) -> Tensor:
    """Cross-entropy of the (1 + N)-way softmax, mean over the samples of one pair of frames.

    embeddings: [n, D] of positive samples of the key frame (negatives take no part: leave them out).
    objects: [n] int64, the object of each. memory: [N, D] embeddings of the objects `present` [N] int64 in
    the reference frame of the same video. The target is the own object, or column 0 where it is absent.
    Without samples, 0 with gradients of 0. Gradients flow into embeddings and memory.
    """
    if len(embeddings) == 0:
        return embeddings.sum() + memory[:0].sum()
    same = objects[:, None] == present[None]
    target = torch.where(same.any(1), 1 + same.int().argmax(1) if len(present) else 0, 0)
    return F.cross_entropy(identity_logits(embeddings, memory, dummy_logit), target)
