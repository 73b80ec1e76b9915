"""Multi-scale deformable attention in plain PyTorch: each query reads a few sampled points per level.

Source: Zhu et al., Deformable DETR, Eq 3 (multi-scale deformable attention module).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from methods.layers.attention import FeedForward

Size = tuple[int, int]


def sample_and_mix(value: Tensor, sizes: Sequence[Size], locations: Tensor, weights: Tensor) -> Tensor:
    """Read each level bilinearly at the given locations and add up by weight.

    value: [B, L, heads, c], the levels' cells one after the other, row by row. sizes: (height, width) of each
    level, sum of products L. locations: [B, Q, heads, levels, points, 2] as (x, y) in 0..1 of the image; a
    point outside reads zero. weights: [B, Q, heads, levels, points]. Returns [B, Q, heads * c].
    """
    batch, _, heads, channels = value.shape
    queries = locations.shape[1]
    grid = (2 * locations - 1).permute(0, 2, 3, 1, 4, 5).flatten(0, 1)  # [B * heads, levels, Q, points, 2]
    share = weights.permute(0, 2, 3, 1, 4).flatten(0, 1)  # [B * heads, levels, Q, points]
    mixed = value.new_zeros((batch * heads, channels, queries))
    cells = [height * width for height, width in sizes]
    for level, (part, size) in enumerate(zip(value.split(cells, dim=1), sizes, strict=True)):
        plane = part.permute(0, 2, 3, 1).reshape(batch * heads, channels, *size)
        read = F.grid_sample(
            plane, grid[:, level], mode="bilinear", padding_mode="zeros", align_corners=False
        )
        mixed = mixed + (read * share[:, None, level]).sum(-1)
    return mixed.reshape(batch, heads * channels, queries).transpose(1, 2)


def cell_centres(sizes: Sequence[Size], device: torch.device | None = None) -> Tensor:
    """Centres of all cells of all levels as (x, y) in 0..1, [L, 2] float32, level by level and row by row."""
    centres = []
    for height, width in sizes:
        y = (torch.arange(height, device=device) + 0.5) / height
        x = (torch.arange(width, device=device) + 0.5) / width
        grid_y, grid_x = torch.meshgrid(y, x, indexing="ij")
        centres.append(torch.stack((grid_x, grid_y), dim=-1).flatten(0, 1))
    return torch.cat(centres)


class DeformableAttention(nn.Module):
    """Each query predicts where to look (offsets in cells of each level) and how much each point counts.

    forward: query [B, Q, d]; centres [Q, 2] in 0..1 (reference point of each query); value [B, L, d]; sizes
    as `sample_and_mix` -> [B, Q, d].
    """

    def __init__(self, dims: int, heads: int, levels: int, points: int) -> None:
        super().__init__()
        if dims % heads:
            raise ValueError(f"{dims} channels cannot be split over {heads} heads")
        self.heads, self.levels, self.points = heads, levels, points
        self.offsets = nn.Linear(dims, heads * levels * points * 2)
        self.weights = nn.Linear(dims, heads * levels * points)
        self.value = nn.Linear(dims, dims)
        self.output = nn.Linear(dims, dims)
        self._initialise()

    def _initialise(self) -> None:
        """Heads start looking in evenly spread directions, point k at distance k + 1, all points equal."""
        angle = torch.arange(self.heads) * (2 * math.pi / self.heads)
        direction = torch.stack((angle.cos(), angle.sin()), dim=-1)
        direction = direction / direction.abs().amax(-1, keepdim=True)  # on the unit square, as in the paper
        distance = torch.arange(1, self.points + 1)
        bias = direction[:, None, None] * distance[None, None, :, None]
        nn.init.zeros_(self.offsets.weight)
        nn.init.zeros_(self.weights.weight)
        nn.init.zeros_(self.weights.bias)
        with torch.no_grad():
            self.offsets.bias.copy_(bias.expand(-1, self.levels, -1, -1).reshape(-1))
        for linear in (self.value, self.output):
            nn.init.xavier_uniform_(linear.weight)
            nn.init.zeros_(linear.bias)

    def forward(self, query: Tensor, centres: Tensor, value: Tensor, sizes: Sequence[Size]) -> Tensor:
        shape = (self.heads, self.levels, self.points)
        offsets = self.offsets(query).unflatten(-1, (*shape, 2))
        weights = self.weights(query).unflatten(-1, (self.heads, -1)).softmax(-1).unflatten(-1, shape[1:])
        extent = query.new_tensor([(width, height) for height, width in sizes])  # offsets are in cells
        locations = centres[:, None, None, None] + offsets / extent[:, None]
        heads = self.value(value).unflatten(-1, (self.heads, -1))
        return self.output(sample_and_mix(heads, sizes, locations, weights))


class DeformableEncoderLayer(nn.Module):
    """Deformable self-attention over all levels, then the feed-forward block; both post-norm, no dropout.

    forward: x [B, L, d], position [L, d], centres [L, 2], sizes -> [B, L, d].
    """

    def __init__(self, dims: int, heads: int, levels: int, points: int, hidden: int) -> None:
        super().__init__()
        self.attention = DeformableAttention(dims, heads, levels, points)
        self.norm = nn.LayerNorm(dims)
        self.feed_forward = FeedForward(dims, hidden)

    def forward(self, x: Tensor, position: Tensor, centres: Tensor, sizes: Sequence[Size]) -> Tensor:
        x = self.norm(x + self.attention(x + position, centres, x, sizes))
        return self.feed_forward(x)
