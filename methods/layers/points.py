"""Supervising masks on sampled points instead of every pixel.

Source: Kirillov et al., PointRend (uncertainty sampling); Mask2Former (specification 4.2, 5) for the counts.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def sample_points(maps: Tensor, points: Tensor) -> Tensor:
    """Read maps bilinearly at points given as fractions of the image.

    maps: [n, c, h, w] float. points: [n or 1, p, 2] as (x, y) in 0..1; pixel i covers i/w..(i+1)/w and its
    value sits at the middle; beyond the outermost middles the value falls off towards zero. Returns
    [n, c, p].
    """
    grid = (2 * points - 1).expand(maps.shape[0], -1, -1)[:, :, None]
    return F.grid_sample(maps, grid, mode="bilinear", padding_mode="zeros", align_corners=False)[..., 0]


@torch.no_grad()
def uncertain_points(logits: Tensor, count: int, oversample: float = 3.0, importance: float = 0.75) -> Tensor:
    """Draw points where the mask is undecided, per map.

    logits: [n, 1, h, w]. Of oversample * count uniform points the importance * count with the smallest
    |logit| are kept; the rest of the `count` is uniform. Returns [n, count, 2] in 0..1.
    Source: PointRend 3.2 and specification 4.2 (oversampling 3, 75 % by uncertainty).
    """
    maps = logits.shape[0]
    candidates = torch.rand((maps, int(count * oversample), 2), device=logits.device)
    certainty = sample_points(logits, candidates)[:, 0].abs()
    kept = certainty.topk(int(importance * count), dim=1, largest=False).indices
    chosen = candidates.gather(1, kept[..., None].expand(-1, -1, 2))
    uniform = torch.rand((maps, count - kept.shape[1], 2), device=logits.device)
    return torch.cat((chosen, uniform), dim=1)
