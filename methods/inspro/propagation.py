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


def grid_proposals(count: int, aspect: float = 16 / 9, overlap: float = 1.5) -> Tensor:
    """`count` boxes on a grid of about square cells, normalised (cx, cy, w, h) [count, 4].

    aspect: width / height of the frames. overlap: box side over cell side. The last row may be wider spaced.
    """
    columns = max(1, round((count * aspect) ** 0.5))
    rows = -(-count // columns)
    boxes = []
    for row in range(rows):
        in_row = count // rows + (row < count % rows)
        for column in range(in_row):
            centre = ((column + 0.5) / in_row, (row + 0.5) / rows)
            boxes.append([*centre, min(1.0, overlap / in_row), min(1.0, overlap / rows)])
    return torch.tensor(boxes)


def image_proposals(count: int) -> Tensor:
    """`count` times the whole image, normalised (cx, cy, w, h) [count, 4]. Source: Sparse R-CNN."""
    return torch.tensor([[0.5, 0.5, 1.0, 1.0]]).repeat(count, 1)
