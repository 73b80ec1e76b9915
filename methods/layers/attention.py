"""Post-norm transformer blocks: attention and feed-forward, each with its residual and LayerNorm.

Source: Vaswani et al., Attention Is All You Need; Mask2Former (specification 5) for the order and the masks.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Attention(nn.Module):
    """Multi-head attention whose mask says what is allowed, broadcast over the heads.

    torch's own module wants one mask per head; at a whole video's length that copy is the largest tensor of
    the model. The parameters have the names and shapes of `nn.MultiheadAttention`.

    forward: query [B, Q, d], key and value [B, L, d], allowed [B, Q, L] bool or None -> [B, Q, d]. A query
    with nothing allowed has no defined result; `reopen` repairs such rows.
    """

    def __init__(self, dims: int, heads: int) -> None:
        super().__init__()
        if dims % heads:
            raise ValueError(f"{dims} channels cannot be split over {heads} heads")
        self.heads = heads
        self.in_proj_weight = nn.Parameter(torch.empty(3 * dims, dims))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * dims))
        self.out_proj = nn.Linear(dims, dims)
        nn.init.xavier_uniform_(self.in_proj_weight)
        nn.init.xavier_uniform_(self.out_proj.weight)
        nn.init.zeros_(self.out_proj.bias)

    def forward(self, query: Tensor, key: Tensor, value: Tensor, allowed: Tensor | None = None) -> Tensor:
        weights = self.in_proj_weight.chunk(3)
        biases = self.in_proj_bias.chunk(3)
        q, k, v = (
            F.linear(x, weight, bias).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for x, weight, bias in zip((query, key, value), weights, biases, strict=True)
        )
        mask = None if allowed is None else allowed[:, None]
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        return self.out_proj(mixed.transpose(1, 2).flatten(2))


def reopen(allowed: Tensor) -> Tensor:
    """Allow everything in the rows [..., L] of a bool mask that allow nothing; the softmax is NaN otherwise.

    Source: Mask2Former (parity facts: "a row whose mask forbids everything is opened").
    """
    return allowed | ~allowed.any(-1, keepdim=True)


class CrossAttention(nn.Module):
    """LayerNorm(x + attention(x + its position, memory + its position, memory)).

    forward: x and position [B, Q, d]; memory [B, L, d]; memory_position [B or 1, L, d]; allowed as
    `Attention` -> [B, Q, d].
    """

    def __init__(self, dims: int, heads: int) -> None:
        super().__init__()
        self.attention = Attention(dims, heads)
        self.norm = nn.LayerNorm(dims)

    def forward(
        self,
        x: Tensor,
        position: Tensor,
        memory: Tensor,
        memory_position: Tensor,
        allowed: Tensor | None = None,
    ) -> Tensor:
        return self.norm(x + self.attention(x + position, memory + memory_position, memory, allowed))


class SelfAttention(nn.Module):
    """LayerNorm(x + attention among x), the position in queries and keys but not in the values.

    forward: x and position [B, Q, d] -> [B, Q, d].
    """

    def __init__(self, dims: int, heads: int) -> None:
        super().__init__()
        self.attention = Attention(dims, heads)
        self.norm = nn.LayerNorm(dims)

    def forward(self, x: Tensor, position: Tensor) -> Tensor:
        placed = x + position
        return self.norm(x + self.attention(placed, placed, x))


class FeedForward(nn.Module):
    """LayerNorm(x + Linear(ReLU(Linear(x)))); forward: [..., d] -> [..., d]."""

    def __init__(self, dims: int, hidden: int) -> None:
        super().__init__()
        self.linear1 = nn.Linear(dims, hidden)
        self.linear2 = nn.Linear(hidden, dims)
        self.norm = nn.LayerNorm(dims)
        for linear in (self.linear1, self.linear2):
            nn.init.xavier_uniform_(linear.weight)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(x + self.linear2(F.relu_(self.linear1(x))))
