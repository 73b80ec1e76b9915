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
from methods.layers.transfer import constant

Size = tuple[int, int]


def sample_and_mix(value: Tensor, sizes: Sequence[Size], locations: Tensor, weights: Tensor) -> Tensor:
    """Read each level bilinearly at the given locations and add up by weight.

    value: [B, L, heads, c], the levels' cells one after the other, row by row. sizes: (height, width) of each
    level, sum of products L. locations: [B, Q, heads, levels, points, 2] as (x, y) in 0..1 of the image; a
    point outside reads zero. weights: [B, Q, heads, levels, points]. Returns [B, Q, heads * c].
    """
    tensors = (value, locations, weights)
    plain = all(x.device.type == "cpu" and x.dtype == torch.float32 for x in tensors)
    if plain and not (torch.is_grad_enabled() and any(x.requires_grad for x in tensors)):
        return torch.stack([_sum_of_corners(*frame, sizes) for frame in zip(*tensors, strict=True)])
    return _sum_of_samples(value, sizes, locations, weights)


def _sum_of_samples(value: Tensor, sizes: Sequence[Size], locations: Tensor, weights: Tensor) -> Tensor:
    """`sample_and_mix` by `grid_sample`: every sample is written to memory, then weighted and added."""
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


def _sum_of_corners(value: Tensor, locations: Tensor, weights: Tensor, sizes: Sequence[Size]) -> Tensor:
    """`sample_and_mix` of one frame as one weighted sum of table rows per query and head.

    value: [L, heads, c]; locations: [Q, heads, levels, points, 2]; weights: [Q, heads, levels, points].
    Returns [Q, heads * c]. On a CPU it takes a seventh of the time of `_sum_of_samples`, because no sample
    (levels * points times the output) is ever written; it cannot be differentiated by the locations.
    """
    queries, heads, _, points = weights.shape
    table, starts = _ringed_table(value, sizes)
    # one number per point of a query and head, so that every operation below runs over whole rows
    by_level = locations.new_tensor(
        [(w, h, start, w + 3) for (h, w), start in zip(sizes, starts, strict=True)]
    )
    width, height, start, stride = by_level.repeat_interleave(points, dim=0).t()
    # cell centres are at 0.5, 1.5, ...; the ring moves them by one, and what lies beyond it reads zero too
    x = (locations[..., 0].reshape(queries * heads, -1) * width).add_(0.5).clamp_(min=0).minimum(width + 1)
    y = (locations[..., 1].reshape(queries * heads, -1) * height).add_(0.5).clamp_(min=0).minimum(height + 1)
    # undefined offsets (of a model whose training has diverged) read some cell, with an undefined share
    column, row = x.floor().nan_to_num_(0.0), y.floor().nan_to_num_(0.0)
    x, y = x.sub_(column), y.sub_(row)
    # numbers of cells are whole and below 2^24, so that float32 holds them exactly
    cell = row.mul_(stride).add_(column).add_(start).int().mul_(heads)
    cell += torch.arange(heads, dtype=torch.int32).repeat(queries)[:, None]
    below = stride.int() * heads
    rows = cell.new_empty((len(cell), 4, cell.shape[1]))
    shares = weights.new_empty(rows.shape)
    rows[:, 0] = cell
    torch.add(cell, heads, out=rows[:, 1])
    torch.add(cell, below, out=rows[:, 2])
    torch.add(rows[:, 2], heads, out=rows[:, 3])
    weights = weights.reshape(len(cell), -1)
    lower = weights * y
    upper = weights - lower
    torch.mul(upper, x, out=shares[:, 1])
    torch.sub(upper, shares[:, 1], out=shares[:, 0])
    torch.mul(lower, x, out=shares[:, 3])
    torch.sub(lower, shares[:, 3], out=shares[:, 2])
    mixed = F.embedding_bag(rows.flatten(1), table, per_sample_weights=shares.flatten(1), mode="sum")
    return mixed.view(queries, -1)


def _ringed_table(value: Tensor, sizes: Sequence[Size]) -> tuple[Tensor, list[int]]:
    """The cells of all levels with zeros around each level: one before, two after, in both directions.

    value: [L, heads, c]. Returns the table [cells * heads, c] and the number of each level's first cell.
    """
    heads, channels = value.shape[1:]
    cells = [(height + 3) * (width + 3) for height, width in sizes]
    table = value.new_zeros((sum(cells), heads, channels))
    starts = [sum(cells[:level]) for level in range(len(cells))]
    parts = value.split([height * width for height, width in sizes])
    for start, count, part, (height, width) in zip(starts, cells, parts, sizes, strict=True):
        plane = table[start : start + count].view(height + 3, width + 3, heads, channels)
        plane[1 : height + 1, 1 : width + 1] = part.view(height, width, heads, channels)
    return table.view(-1, channels), starts


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
        extent = constant([side for size in sizes for side in size[::-1]], query.device, query.dtype)
        # offsets are in cells
        locations = centres[:, None, None, None] + offsets / extent.view(-1, 1, 2)
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
