"""Deformable attention in plain torch, in place of the compiled operation that projects call by its name."""

from __future__ import annotations

from types import ModuleType

import torch
import torch.nn.functional as F
from torch import Tensor

MODULE = "MultiScaleDeformableAttention"


def ms_deform_attn_forward(
    value: Tensor, shapes: Tensor, starts: Tensor, locations: Tensor, weights: Tensor, im2col_step: int
) -> Tensor:
    """Weighted sum of bilinear samples of each head, over levels and points: [N, Q, M * D].

    value: [N, S, M, D], the pixels of all levels one after another. shapes: [L, 2] (height, width). starts:
    [L], first pixel of each level. locations: [N, Q, M, L, P, 2] (x, y), 0..1 of the level; outside it is
    zero. weights: [N, Q, M, L, P]. im2col_step: of the compiled operation; it changes no number.
    Source: Zhu et al., Deformable DETR, Eq 3.
    """
    images, _, heads, width = value.shape
    sampled = []
    for level, (rows, columns) in enumerate(shapes.tolist()):
        begin = int(starts[level])
        pixels = value[:, begin : begin + rows * columns].permute(0, 2, 3, 1)
        grid = (2 * locations[:, :, :, level] - 1).transpose(1, 2).flatten(0, 1)
        picture = pixels.reshape(images * heads, width, rows, columns)
        sampled.append(F.grid_sample(picture, grid, padding_mode="zeros", align_corners=False))
    shares = weights.transpose(1, 2).flatten(3).flatten(0, 1)[:, None]
    found = (torch.cat(sampled, dim=-1) * shares).sum(dim=-1)
    return found.reshape(images, heads * width, -1).transpose(1, 2).contiguous()


def stand_in() -> ModuleType:
    """The module of the compiled operation; it can track, not train."""
    module = ModuleType(MODULE)
    module.ms_deform_attn_forward = ms_deform_attn_forward  # type: ignore[attr-defined]
    return module
