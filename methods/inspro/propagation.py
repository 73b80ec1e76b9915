"""What InsPro carries from frame to frame, and the attention over it.

Source: InsPro, Sec 3.1 and Eq 1; specification 6.1.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class PropagatedState:
    """The state after a frame: queries [B, N, dim], proposals [B, N, 4] px of the network input, detached.

    bank: object features [B, N, dim] of the last stage, oldest first, at most T - 1 of them, since the
    current frame's own features complete the T of Eq 1.
    """

    queries: Tensor
    boxes: Tensor
    bank: tuple[Tensor, ...] = ()


class IntraQueryAttention(nn.Module):
    """q_t = sum_n softmax_n(eps(o_{t-n})) o_{t-n} + o_t over the bank, for each slot on its own.

    length: T, frames including the current one. With T = 1, Eq 1 would return 2 o_t although the paper calls
    this no attention; the features are then passed through. The bank stores features, never the output:
    storing the output would feed it back into itself. per_channel: one weight per channel instead of one per
    past frame. Source: InsPro, Eq 1.
    """

    def __init__(self, dim: int, length: int, per_channel: bool = False) -> None:
        super().__init__()
        self.length = length
        self.score = nn.Linear(dim, dim if per_channel else 1) if length > 1 else None

    def forward(self, features: Tensor, bank: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        """features: o_t [B, N, dim]. Returns (q_t [B, N, dim], the bank for the next frame)."""
        if self.score is None:
            return features, ()
        kept = (*bank, features)[-self.length :]
        stacked = torch.stack(kept)
        weights = self.score(stacked).softmax(dim=0)
        return (weights * stacked).sum(dim=0) + features, kept[-(self.length - 1) :]
