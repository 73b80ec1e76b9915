"""Anchors, the region proposal network, its proposals and its losses.

The head is torchvision's. Its anchors (on cell corners, strides from a division that fails for odd map sizes)
and its matcher differ from what MaskTrack R-CNN uses, so these are written here.
Source: Ren et al., Faster R-CNN, Sec 3.1; specification 1.1 to 1.4.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models.detection.rpn import RPNHead
from torchvision.ops import batched_nms, clip_boxes_to_image

from methods.layers.box_codec import QUERYINST_MAX_LOG_SCALE, decode_deltas, encode_deltas
from methods.layers.fpn import level_stride
from methods.masktrack_rcnn.assignment import IGNORED, assign_boxes, sample_balanced
from methods.masktrack_rcnn.config import RpnConfig

UNIT_WEIGHTS = (1.0, 1.0, 1.0, 1.0)
Size = tuple[int, int]


def anchor_grid(
    size: Size, stride: int, scale: float, ratios: Sequence[float], device: torch.device | None = None
) -> Tensor:
    """Anchors of one level of (rows, columns) cells: [rows * columns * R, 4] px, cell after cell.

    Anchors are centred in their cells and have the area (scale * stride)^2 and height / width in `ratios`.
    """
    rows, columns = size
    root = torch.tensor(list(ratios), dtype=torch.float32, device=device).sqrt()
    half = 0.5 * scale * stride * torch.stack((1 / root, root), dim=1)
    y = (torch.arange(rows, dtype=torch.float32, device=device) + 0.5) * stride
    x = (torch.arange(columns, dtype=torch.float32, device=device) + 0.5) * stride
    yy, xx = torch.meshgrid(y, x, indexing="ij")
    centre = torch.stack((xx, yy), dim=-1).view(-1, 1, 2)
    return torch.cat((centre - half, centre + half), dim=-1).view(-1, 4)


class Rpn(nn.Module):
    """Objectness and box deltas of every anchor; one head for all levels.

    forward: pyramid levels {"p2": [B, channels, H/4, W/4], ...}, at least those of the configuration (P6 is
    made of P5 here) -> (objectness logits [B, A], deltas [B, A, 4], anchors [A, 4] px, level number of each
    anchor [A] int64).
    """

    def __init__(self, channels: int, config: RpnConfig) -> None:
        super().__init__()
        self.config = config
        self.head = RPNHead(channels, len(config.ratios))

    def forward(self, pyramid: dict[str, Tensor]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        config = self.config
        if "p6" in config.levels:
            pyramid = {**pyramid, "p6": F.max_pool2d(pyramid["p5"], kernel_size=1, stride=2)}
        features = [pyramid[name] for name in config.levels]
        objectness, deltas = self.head(features)
        anchors = [
            anchor_grid(_map_size(feature), level_stride(name), config.scale, config.ratios, feature.device)
            for name, feature in zip(config.levels, features, strict=True)
        ]
        levels = [torch.full((len(a),), i, device=a.device) for i, a in enumerate(anchors)]
        return (
            torch.cat([_per_anchor(level, 1)[..., 0] for level in objectness], dim=1),
            torch.cat([_per_anchor(level, 4) for level in deltas], dim=1),
            torch.cat(anchors),
            torch.cat(levels),
        )


def _map_size(feature: Tensor) -> Size:
    return int(feature.shape[-2]), int(feature.shape[-1])


def _per_anchor(level: Tensor, values: int) -> Tensor:
    """[B, R * values, h, w] -> [B, h * w * R, values], in the order of the anchors."""
    return level.permute(0, 2, 3, 1).reshape(level.shape[0], -1, values)


@torch.no_grad()
def select_proposals(
    objectness: Tensor, deltas: Tensor, anchors: Tensor, levels: Tensor, size: Size, config: RpnConfig
) -> Tensor:
    """Proposals of one image, best first: [n, 4] px with n <= `proposals`, inside the un-padded `size`.

    objectness: [A]. deltas, anchors: [A, 4]. levels: [A] int64. The best `candidates_per_level` of each level
    are decoded and clipped, boxes without area are dropped, suppression acts within a level.
    """
    chosen = []
    for level in range(len(config.levels)):
        rows = (levels == level).nonzero()[:, 0]
        count = min(config.candidates_per_level, len(rows))
        chosen.append(rows[objectness[rows].topk(count).indices])
    picked = torch.cat(chosen)
    boxes = decode_deltas(deltas[picked], anchors[picked], UNIT_WEIGHTS, QUERYINST_MAX_LOG_SCALE)
    boxes = clip_boxes_to_image(boxes, size)
    solid = (boxes[:, 2:] > boxes[:, :2]).all(dim=1)
    boxes, picked = boxes[solid], picked[solid]
    keep = batched_nms(boxes, objectness[picked], levels[picked], config.nms_iou)
    return boxes[keep[: config.proposals]]


def rpn_losses(
    objectness: Tensor,
    deltas: Tensor,
    anchors: Tensor,
    truth: Sequence[Tensor],
    sizes: Sequence[Size],
    config: RpnConfig,
) -> tuple[Tensor, Tensor]:
    """(binary cross-entropy of objectness, smooth L1 of deltas), both over the number of sampled anchors.

    objectness: [B, A]. deltas: [B, A, 4]. anchors: [A, 4]. truth: B times [N, 4] px. sizes: B un-padded
    (height, width); anchors centred in the padding take no part. Deltas of positives only.
    """
    centres = (anchors[:, :2] + anchors[:, 2:]) / 2
    class_terms, box_terms, count = [], [], 0
    for image, (boxes, (height, width)) in enumerate(zip(truth, sizes, strict=True)):
        assigned = assign_boxes(
            anchors, boxes, config.positive_iou, config.negative_iou, config.low_quality_iou
        )
        assigned[(centres[:, 0] >= width) | (centres[:, 1] >= height)] = IGNORED
        positives, negatives = sample_balanced(assigned, config.samples, config.positive_fraction)
        rows = torch.cat((positives, negatives))
        target = torch.zeros(len(rows), device=rows.device)
        target[: len(positives)] = 1
        class_terms.append(
            F.binary_cross_entropy_with_logits(objectness[image, rows], target, reduction="sum")
        )
        wanted = encode_deltas(boxes[assigned[positives]], anchors[positives], UNIT_WEIGHTS)
        box_terms.append(
            F.smooth_l1_loss(deltas[image, positives], wanted, beta=config.box_beta, reduction="sum")
        )
        count += len(rows)
    return torch.stack(class_terms).sum() / max(1, count), torch.stack(box_terms).sum() / max(1, count)
