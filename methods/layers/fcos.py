"""FCOS: dense one-stage detection by points, with its targets and its decoding.

torchvision's FCOS is not used: its points sit at i * stride (no half-stride offset), its box loss is not
weighted by centre-ness, and its centre sampling knows box centres only.
Source: Tian et al., FCOS; CondInst public code facts (specification 3.1).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from methods.layers.transfer import constant


@dataclass(frozen=True, slots=True)
class Grid:
    """The points of all levels of an image, levels one after the other, each in row-major order.

    points: [L, 2] float32 (x, y) in pixels. strides: [L] float32 in pixels. levels: [L] int64, position in
    the list of levels. sizes: (rows, columns) of each level; their products sum to L.
    """

    points: Tensor
    strides: Tensor
    levels: Tensor
    sizes: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class FcosPredictions:
    """Predictions at the L points of B images.

    class_logits: [B, L, C]. ltrb: [B, L, 4] distances >= 0 to left, top, right and bottom, in pixels.
    centre_logits: [B, L]. class_features, box_features: the towers' outputs per level, for further heads.
    """

    class_logits: Tensor
    ltrb: Tensor
    centre_logits: Tensor
    class_features: tuple[Tensor, ...]
    box_features: tuple[Tensor, ...]


def level_points(rows: int, columns: int, stride: int, device: torch.device | str = "cpu") -> Tensor:
    """Points (x, y) in pixels of one level, row-major: [rows * columns, 2] float32.

    Source: CondInst public code, i * stride + stride // 2.
    """
    y = torch.arange(rows, device=device, dtype=torch.float32) * stride + stride // 2
    x = torch.arange(columns, device=device, dtype=torch.float32) * stride + stride // 2
    yy, xx = torch.meshgrid(y, x, indexing="ij")
    return torch.stack((xx.flatten(), yy.flatten()), dim=1)


def make_grid(
    sizes: Sequence[tuple[int, int]], strides: Sequence[int], device: torch.device | str = "cpu"
) -> Grid:
    """Grid of levels with the given (rows, columns) and strides in pixels."""
    points = [
        level_points(rows, columns, stride, device)
        for (rows, columns), stride in zip(sizes, strides, strict=True)
    ]
    return Grid(
        points=torch.cat(points),
        strides=torch.cat(
            [level.new_full((len(level),), stride) for level, stride in zip(points, strides, strict=True)]
        ),
        levels=torch.cat(
            [level.new_full((len(level),), i, dtype=torch.int64) for i, level in enumerate(points)]
        ),
        sizes=tuple(sizes),
    )


def flatten_levels(maps: Sequence[Tensor]) -> Tensor:
    """[B, K, h, w] per level -> [B, L, K] in the order of `Grid`."""
    return torch.cat([level.flatten(2).transpose(1, 2) for level in maps], dim=1)


def conv_tower(in_channels: int, channels: int, convs: int, groups: int = 32) -> nn.Sequential:
    """`convs` times (3x3 convolution with bias, GroupNorm, ReLU); weights N(0, 0.01), biases 0."""
    layers: list[nn.Module] = []
    for i in range(convs):
        conv = nn.Conv2d(in_channels if i == 0 else channels, channels, 3, padding=1)
        nn.init.normal_(conv.weight, std=0.01)
        nn.init.zeros_(conv.bias)  # type: ignore[arg-type]
        layers += [conv, nn.GroupNorm(groups, channels), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)


def output_conv(in_channels: int, out_channels: int, bias: float = 0.0) -> nn.Conv2d:
    """3x3 convolution with weights N(0, 0.01) and a constant initial bias."""
    conv = nn.Conv2d(in_channels, out_channels, 3, padding=1)
    nn.init.normal_(conv.weight, std=0.01)
    nn.init.constant_(conv.bias, bias)  # type: ignore[arg-type]
    return conv


class FcosHead(nn.Module):
    """Class, box and centre-ness predictions, with weights shared by all levels.

    strides: of the levels, in pixels. convs: length of either tower. prior: initial class probability.
    box_bias: initial distance in units of the stride.

    forward: one [B, channels, h, w] per level -> FcosPredictions. Centre-ness reads the box tower; the box
    output is ReLU(scale_level * x) * stride. Source: CondInst public code (specification 3.1).
    """

    def __init__(
        self,
        channels: int,
        num_classes: int,
        strides: Sequence[int],
        convs: int = 4,
        groups: int = 32,
        prior: float = 0.01,
        box_bias: float = 0.0,
    ) -> None:
        super().__init__()
        self.strides = tuple(strides)
        self.class_tower = conv_tower(channels, channels, convs, groups)
        self.box_tower = conv_tower(channels, channels, convs, groups)
        self.classes = output_conv(channels, num_classes, -math.log((1 - prior) / prior))
        self.boxes = output_conv(channels, 4, box_bias)
        self.centreness = output_conv(channels, 1)
        self.scales = nn.Parameter(torch.ones(len(self.strides)))

    def forward(self, features: Sequence[Tensor]) -> FcosPredictions:
        class_features = tuple(self.class_tower(level) for level in features)
        box_features = tuple(self.box_tower(level) for level in features)
        distances = [
            torch.relu(scale * self.boxes(level)) * stride
            for level, scale, stride in zip(box_features, self.scales, self.strides, strict=True)
        ]
        return FcosPredictions(
            class_logits=flatten_levels([self.classes(level) for level in class_features]),
            ltrb=flatten_levels(distances),
            centre_logits=flatten_levels([self.centreness(level) for level in box_features])[..., 0],
            class_features=class_features,
            box_features=box_features,
        )


def decode_boxes(points: Tensor, ltrb: Tensor) -> Tensor:
    """Points [..., 2] and distances [..., 4], pixels -> boxes [..., 4] (x1, y1, x2, y2)."""
    return torch.cat((points - ltrb[..., :2], points + ltrb[..., 2:]), dim=-1)


def encode_boxes(points: Tensor, boxes: Tensor) -> Tensor:
    """Points [..., 2] and boxes [..., 4] -> distances (l, t, r, b); negative outside the box."""
    return torch.cat((points - boxes[..., :2], boxes[..., 2:] - points), dim=-1)


def centreness(ltrb: Tensor) -> Tensor:
    """sqrt(min(l, r) / max(l, r) * min(t, b) / max(t, b)) of positive distances [..., 4] -> [...] in 0..1.

    Source: Tian et al., FCOS, Eq 3.
    """
    horizontal, vertical = ltrb[..., 0::2], ltrb[..., 1::2]
    ratio_x = horizontal.amin(-1) / horizontal.amax(-1)
    ratio_y = vertical.amin(-1) / vertical.amax(-1)
    return (ratio_x * ratio_y).sqrt()


def ltrb_giou(predicted: Tensor, target: Tensor) -> Tensor:
    """1 - GIoU of distances (l, t, r, b) from the same points, in units of the stride: [n, 4] twice -> [n].

    The IoU in it is (intersection + 1) / (union + 1), the penalty of the hull has no such term: boxes of few
    cells are pulled less than by GIoU itself, which is not invariant to the unit here. All sides of `target`
    are above 0. Source: AdelaiDet (CondInst) when it runs; Rezatofighi et al., GIoU.
    """
    common, hull = torch.minimum(predicted, target), torch.maximum(predicted, target)
    intersection, enclosing = _ltrb_area(common), _ltrb_area(hull)
    union = _ltrb_area(predicted) + _ltrb_area(target) - intersection
    return 1 - ((intersection + 1) / (union + 1) - (enclosing - union) / enclosing)


def _ltrb_area(ltrb: Tensor) -> Tensor:
    return (ltrb[..., 0] + ltrb[..., 2]) * (ltrb[..., 1] + ltrb[..., 3])


def mask_centroids(masks: Tensor) -> Tensor:
    """Centre of mass of boolean masks [N, H, W] -> [N, 2] float32 (x, y) in pixel indices.

    The middle of a pixel is its index, half a pixel left of and above its place in `Grid` and boxes.
    Source: AdelaiDet (CondInst) when it runs.
    """
    weights = masks.to(torch.float32)
    x = torch.arange(masks.shape[2], device=masks.device, dtype=torch.float32)
    y = torch.arange(masks.shape[1], device=masks.device, dtype=torch.float32)
    area = weights.sum((1, 2)).clamp(min=1.0)
    return torch.stack(((weights.sum(1) * x).sum(1) / area, (weights.sum(2) * y).sum(1) / area), dim=1)


def smallest_object(candidate: Tensor, boxes: Tensor) -> Tensor:
    """For each point the candidate with the smallest box, ties to the first.

    candidate: [P, N] bool. boxes: [N, 4]. Returns [P] int64, -1 where a point has no candidate.
    """
    if boxes.shape[0] == 0:
        return torch.full((candidate.shape[0],), -1, dtype=torch.int64, device=candidate.device)
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    costs = torch.where(candidate, areas, torch.inf)
    smallest, index = costs.min(dim=1)
    return torch.where(torch.isfinite(smallest), index, -1)


def object_at_points(points: Tensor, boxes: Tensor, usable: Tensor | None = None) -> Tensor:
    """Object whose box contains a point, the smallest where several do: [P, 2], [N, 4] -> [P] int64 or -1.

    usable: [N] bool, objects that may be found (None = all). No centre region and no size range.
    Source: STC Section 3.3 (labels of the tracking map).
    """
    inside = encode_boxes(points[:, None], boxes[None]).amin(-1) > 0
    return smallest_object(inside if usable is None else inside & usable, boxes)


def assign_points(
    grid: Grid,
    boxes: Tensor,
    centres: Tensor,
    size_ranges: Sequence[tuple[float, float]],
    radius: float = 1.5,
    usable: Tensor | None = None,
) -> Tensor:
    """Object that each point of the grid is responsible for: [L] int64, -1 for background.

    boxes: [N, 4] pixels. centres: [N, 2] pixels, middle of the centre region (mask centroid, or box centre
    where there are no masks). size_ranges: lower and upper bound of max(l, t, r, b) per level, both
    inclusive, in pixels. radius: half side of the centre region in strides; the region is clipped to the
    box. Several candidates: the smallest box. usable: [N] bool, objects that take part (None = all).
    Source: CondInst public code (specification 3.1).
    """
    ltrb = encode_boxes(grid.points[:, None], boxes[None])
    reach = (radius * grid.strides)[:, None, None]
    region = torch.cat(
        (
            torch.maximum(centres[None] - reach, boxes[None, :, :2]),
            torch.minimum(centres[None] + reach, boxes[None, :, 2:]),
        ),
        dim=-1,
    )
    in_region = encode_boxes(grid.points[:, None], region).amin(-1) > 0
    bounds = [bound for size_range in size_ranges for bound in size_range]
    ranges = constant(bounds, grid.points.device, grid.points.dtype).view(-1, 2)[grid.levels]
    largest = ltrb.amax(-1)
    in_range = (largest >= ranges[:, :1]) & (largest <= ranges[:, 1:])
    candidate = in_region & in_range
    return smallest_object(candidate if usable is None else candidate & usable, boxes)
