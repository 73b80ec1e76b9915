"""Boxes that a query-based detector starts from, before it has learned its own."""

from __future__ import annotations

import torch
from torch import Tensor


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
