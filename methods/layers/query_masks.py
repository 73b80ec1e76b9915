"""Masks as dot products of query embeddings and pixel features, and what may be attended to under a mask.

Source: Cheng et al., Masked-attention Mask Transformer (specification 4.1 and 5).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from methods.layers.attention import reopen


def mask_head(dims: int, mask_dims: int) -> nn.Sequential:
    """Three linear layers with ReLU between them: queries [..., dims] -> mask embeddings [..., mask_dims]."""
    return nn.Sequential(
        nn.Linear(dims, dims), nn.ReLU(), nn.Linear(dims, dims), nn.ReLU(), nn.Linear(dims, mask_dims)
    )


def mask_logits(embeddings: Tensor, features: Tensor) -> Tensor:
    """Dot product of queries and pixels: [B, Q, m], [B, T, m, h, w] -> [B, Q, T, h, w]."""
    return torch.einsum("bqm,btmhw->bqthw", embeddings, features)


@torch.no_grad()
def attention_allowed(embeddings: Tensor, parts: Sequence[Tensor]) -> Tensor:
    """Which tokens of a clip each query may attend to in the next layer.

    embeddings: [B, Q, m]; parts: mask features resized to the attended level, [B, t, m, h, w] of consecutive
    frames, T in all. Returns [B, Q, T*h*w] bool: inside the query's mask (probability >= 0.5); a query
    whose mask is empty in **all** frames attends to everything, a query that is empty in one frame does not
    look at that frame.
    Source: specification 5 ("attention mask thresholds the T-frame mask jointly").
    """
    inside = [(mask_logits(embeddings, part.to(embeddings.dtype)) >= 0).flatten(2) for part in parts]
    return reopen(torch.cat(inside, dim=2))


def resize_features(features: Tensor, size: Sequence[int]) -> Tensor:
    """Resize mask features [B, T, m, H, W] to `size`.

    Resizing and the dot product with the queries are both linear, so resizing the features once per level
    gives the resized masks without ever building the stride-4 masks of all queries.
    """
    resized = F.interpolate(features.flatten(0, 1), size=tuple(size), mode="bilinear", align_corners=False)
    return resized.unflatten(0, features.shape[:2])
