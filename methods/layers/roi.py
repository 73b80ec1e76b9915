"""RoIAlign over a feature pyramid, with half-pixel alignment.

torchvision's MultiScaleRoIAlign has the same level rule but calls roi_align with aligned=False, which shifts
every feature by half a cell against Sparse R-CNN and QueryInst.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torchvision.ops import roi_align

# far enough for the coarsest level, and a number of half precision
OUTSIDE_PX = -16384.0


def pyramid_level(
    boxes: Tensor, levels: Sequence[int] = (2, 3, 4, 5), canonical_size: float = 224.0
) -> Tensor:
    """Pyramid level of each box: floor(4 + log2(sqrt(area) / canonical_size)), clamped to `levels`.

    boxes: [n, 4] px (x1, y1, x2, y2); returns [n] int64. A box of `canonical_size` squared goes to level 4.
    Source: Lin et al., Feature Pyramid Networks, Eq 1.
    """
    width, height = (boxes[:, 2:] - boxes[:, :2]).clamp(min=0).unbind(1)
    side = (width * height).sqrt().clamp(min=1e-6)
    # the small constant keeps a box of exactly canonical size out of the level below after rounding
    level = torch.floor(4 + torch.log2(side / canonical_size) + 1e-6)
    return level.clamp(min(levels), max(levels)).to(torch.int64)


def pyramid_roi_align(
    features: Mapping[str, Tensor],
    boxes: Tensor,
    image_index: Tensor,
    resolution: int,
    sampling_ratio: int = 2,
    canonical_size: float = 224.0,
) -> Tensor:
    """Features of boxes, each read from the level that fits its size.

    features: consecutive levels by name, such as "p2".."p5" -> [B, C, H / 2^level, W / 2^level]. boxes:
    [n, 4] px; no gradient flows into them.
    image_index: [n] int64 in 0..B-1. Returns [n, C, resolution, resolution].
    Source: He et al., Mask R-CNN (RoIAlign); aligned as in Sparse R-CNN (specification 2.1.1 and 7.1).
    """
    boxes = boxes.detach()
    levels = sorted(int(name[1:]) for name in features)
    level_of_box = pyramid_level(boxes, levels, canonical_size)
    rois = torch.cat([image_index[:, None].to(boxes.dtype), boxes], dim=1)
    if boxes.device.type != "cpu":
        return _sum_over_levels(features, levels, rois, level_of_box, resolution, sampling_ratio)
    pooled, picked = [], []
    for level in levels:
        index = (level_of_box == level).nonzero().squeeze(1)
        if index.numel() == 0:
            continue
        feature = features[f"p{level}"]
        pooled.append(
            roi_align(
                feature,
                rois[index].to(feature.dtype),
                output_size=resolution,
                spatial_scale=0.5**level,
                sampling_ratio=sampling_ratio,
                aligned=True,
            )
        )
        picked.append(index)
    if not pooled:
        finest = features[f"p{levels[0]}"]
        return finest.new_zeros((0, finest.shape[1], resolution, resolution))
    if len(pooled) == 1:
        return pooled[0]
    return torch.cat(pooled)[torch.cat(picked).argsort()]


def _sum_over_levels(
    features: Mapping[str, Tensor],
    levels: Sequence[int],
    rois: Tensor,
    level_of_box: Tensor,
    resolution: int,
    sampling_ratio: int,
) -> Tensor:
    """Every level reads every box, those of other levels at a place where there is nothing; then the sum.

    Picking the boxes of a level makes the host wait for their number, at every level of every call. Samples
    far outside of a map are zero and end early in both directions, so that the sum is exact and cheap.
    """
    nowhere = torch.cat((rois[:, :1], torch.full_like(rois[:, 1:], OUTSIDE_PX)), dim=1)
    total: Tensor | None = None
    for level in levels:
        feature = features[f"p{level}"]
        here = torch.where((level_of_box == level)[:, None], rois, nowhere)
        pooled = roi_align(
            feature,
            here.to(feature.dtype),
            output_size=resolution,
            spatial_scale=0.5**level,
            sampling_ratio=sampling_ratio,
            aligned=True,
        )
        total = pooled if total is None else total + pooled
    if total is None:
        raise ValueError("there are no levels to read from")
    return total
