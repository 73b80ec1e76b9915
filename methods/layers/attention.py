"""Post-norm transformer blocks: attention and feed-forward, each with its residual and LayerNorm.

Source: Vaswani et al., Attention Is All You Need; Mask2Former (specification 5) for the order and the masks.
"""

from __future__ import annotations

from collections.abc import Iterable

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
        q, k, v = (self._heads_of(x, i) for i, x in enumerate((query, key, value)))
        mask = None if allowed is None else allowed[:, None]
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        return self.out_proj(mixed.transpose(1, 2).flatten(2))

    def over_parts(self, query: Tensor, parts: Iterable[tuple[Tensor, Tensor, Tensor]]) -> Tensor:
        """`forward` with keys, values and mask given part by part; only one part is held at a time.

        query: [B, Q, d]; parts: (key [B, l, d], value [B, l, d], allowed [B, Q, l] bool). A query may be
        allowed nothing in a part, but not in all. Returns [B, Q, d]. Source: Milakov and Gimelshein, Online
        normalizer calculation for softmax, Section 3.
        """
        q = self._heads_of(query, 0)
        q = q / q.shape[-1] ** 0.5
        highest = q.new_full((*q.shape[:-1], 1), -torch.inf)
        total, mixed = torch.zeros_like(highest), torch.zeros_like(q)
        for key, value, allowed in parts:
            logits = q @ self._heads_of(key, 1).transpose(2, 3)
            logits = logits.masked_fill_(~allowed[:, None], -torch.inf)
            higher = torch.maximum(highest, logits.amax(-1, keepdim=True))
            # finite also for a query that was allowed nothing so far, whose sums then stay zero
            shift = higher.clamp(min=torch.finfo(q.dtype).min)
            earlier, share = (highest - shift).exp(), logits.sub_(shift).exp_()
            total = total * earlier + share.sum(-1, keepdim=True)
            mixed = mixed * earlier + share @ self._heads_of(value, 2)
            highest = higher
        return self.out_proj((mixed / total).transpose(1, 2).flatten(2))

    def _heads_of(self, x: Tensor, which: int) -> Tensor:
        """x [B, n, d] as queries (0), keys (1) or values (2) of every head, [B, heads, n, d / heads]."""
        weight, bias = self.in_proj_weight.chunk(3)[which], self.in_proj_bias.chunk(3)[which]
        return F.linear(x, weight, bias).unflatten(-1, (self.heads, -1)).transpose(1, 2)


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

    def over_parts(
        self, x: Tensor, position: Tensor, parts: Iterable[tuple[Tensor, Tensor, Tensor]]
    ) -> Tensor:
        """`forward` with (memory, memory_position, allowed) given part by part, as `Attention.over_parts`."""
        read = ((memory + place, memory, allowed) for memory, place, allowed in parts)
        return self.norm(x + self.attention.over_parts(x + position, read))


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
