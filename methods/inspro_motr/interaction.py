"""The query interaction module: from the object features of tracks to their queries in the next frame.

Source: Zeng et al., MOTR, Sec 3.5 and public code (specification 6.8).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class QueryInteraction(nn.Module):
    """Self-attention between the tracks of a frame, feed-forward, and the update of their queries.

    x = LN(o + attention(o)), x = LN(x + ffn(x)); residual: q' = LN(q + ffn'(x)), else q' = x. MOTR gives
    attention the position half of a query too; InsPro's queries have none, the place of a track is its box.
    """

    def __init__(self, dim: int, heads: int, feedforward: int, residual: bool = True) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(dim, heads, batch_first=True)
        self.attention_norm = nn.LayerNorm(dim)
        self.feedforward = _feedforward(dim, feedforward)
        self.feedforward_norm = nn.LayerNorm(dim)
        self.update = _feedforward(dim, feedforward) if residual else None
        self.update_norm = nn.LayerNorm(dim) if residual else None
        for parameter in self.parameters():
            if parameter.dim() > 1:
                nn.init.xavier_uniform_(parameter)

    def forward(self, features: Tensor, queries: Tensor, filler: Tensor) -> Tensor:
        """features: [B, P, dim], of the last stage. queries: [B, P, dim], that entered the frame. filler:
        [B, P] bool, True for no track; nobody attends to these. Returns the new queries [B, P, dim], zeros at
        filler.
        """
        if features.shape[1] == 0:
            return features
        # a row that attends to nothing would be NaN; rows without tracks are zeroed below
        hidden = filler & ~filler.all(dim=1, keepdim=True)
        mixed = self.attention(features, features, features, key_padding_mask=hidden, need_weights=False)[0]
        x = self.attention_norm(features + mixed)
        x = self.feedforward_norm(x + self.feedforward(x))
        if self.update is not None and self.update_norm is not None:
            x = self.update_norm(queries + self.update(x))
        return torch.where(filler[..., None], torch.zeros_like(x), x)


def _feedforward(dim: int, hidden: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(dim, hidden), nn.ReLU(), nn.Linear(hidden, dim))
