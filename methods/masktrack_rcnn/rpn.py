"""Anchors, the region proposal network, its proposals and its losses.

The head is torchvision's. Its anchors (on cell corners, strides from a division that fails for odd map sizes)
and its matcher differ from what MaskTrack R-CNN uses, so these are written here.
Source: Ren et al., Faster R-CNN, Sec 3.1; specification 1.1 to 1.4.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models.detection.rpn import RPNHead
from torchvision.ops import clip_boxes_to_image

from methods.layers.box_codec import MMDET_LOG_SCALES, decode_deltas, encode_deltas
from methods.layers.fpn import level_stride
from methods.layers.full_precision import full_precision
from methods.layers.suppression import grouped_nms
from methods.layers.transfer import constant, to_device, to_host
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
    root = constant(ratios, device or torch.device("cpu")).sqrt()
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


def level_counts(pyramid: Mapping[str, Tensor], config: RpnConfig) -> list[int]:
    """Anchors of each level of `Rpn.forward` on this pyramid, from the sizes of its maps alone."""
    counts = []
    for name in config.levels:
        rows, columns = _map_size(pyramid["p5" if name == "p6" else name])
        if name == "p6":  # every second cell of P5
            rows, columns = (rows + 1) // 2, (columns + 1) // 2
        counts.append(rows * columns * len(config.ratios))
    return counts


def select_proposals(
    objectness: Tensor, deltas: Tensor, anchors: Tensor, levels: Tensor, size: Size, config: RpnConfig
) -> Tensor:
    """Proposals of one image, best first: [n, 4] px with n <= `proposals`, inside the un-padded `size`.

    objectness: [A]. deltas, anchors: [A, 4]. levels: [A] int64, rising. The best `candidates_per_level` of
    each level are decoded and clipped, boxes without area are dropped, suppression acts within a level.
    """
    (on_host,) = to_host(levels)
    counts = on_host.bincount(minlength=len(config.levels)).tolist()
    return proposals_of_images(objectness[None], deltas[None], anchors, counts, [size], config)[0]


@full_precision
@torch.no_grad()
def proposals_of_images(
    objectness: Tensor,
    deltas: Tensor,
    anchors: Tensor,
    counts: Sequence[int],
    sizes: Sequence[Size],
    config: RpnConfig,
) -> list[Tensor]:
    """`select_proposals` of B images at once: one suppression, one copy to the host and one back.

    objectness: [B, A]. deltas: [B, A, 4]. counts: number of anchors of each level, in the order of `anchors`.
    """
    parts = objectness.split(list(counts), dim=1)
    best = [part.topk(min(config.candidates_per_level, part.shape[1]), dim=1).indices for part in parts]
    picked = torch.cat([rows + sum(counts[:level]) for level, rows in enumerate(best)], dim=1)
    level = torch.cat([torch.full_like(rows, number) for number, rows in enumerate(best)], dim=1)
    scores = objectness.gather(1, picked)
    own = deltas.gather(1, picked[..., None].expand(-1, -1, 4))
    boxes = decode_deltas(own, anchors[picked], UNIT_WEIGHTS, MMDET_LOG_SCALES)
    boxes = torch.stack([clip_boxes_to_image(*image) for image in zip(boxes, sizes, strict=True)])
    # boxes without area neither suppress nor are suppressed, so they can be dropped when the host knows them
    solid = (boxes[..., 2:] > boxes[..., :2]).all(dim=-1).flatten()
    image = torch.arange(len(sizes), device=boxes.device)[:, None].expand_as(level)
    groups = (image * len(counts) + level).flatten()
    keep = grouped_nms(boxes.flatten(0, 1), scores.flatten(), groups, config.nms_iou)
    kept, has_area, of_image = to_host(keep, solid[keep], image.flatten()[keep])
    chosen = [kept[has_area & (of_image == i)][: config.proposals] for i in range(len(sizes))]
    return [boxes.flatten(0, 1)[rows] for rows in to_device(*chosen, device=boxes.device)]


def anchors_outside(anchors: Tensor, size: Size, border_px: float | None) -> Tensor:
    """Anchors [A, 4] px that are not trained on in a frame of un-padded `size`: [A] bool.

    Those that reach more than `border_px` beyond an edge of the frame; None: those centred in the padding.
    Source: mmdet 0.6, on which MaskTrack R-CNN is built (`anchor_inside_flags` with allowed_border = 0); its
    anchors end at the last pixel they cover, ours behind it.
    """
    height, width = size
    if border_px is None:
        centres = (anchors[:, :2] + anchors[:, 2:]) / 2
        return (centres[:, 0] >= width) | (centres[:, 1] >= height)
    beyond = (anchors[:, :2] < -border_px).any(dim=1)
    return beyond | (anchors[:, 2] > width + border_px) | (anchors[:, 3] > height + border_px)


@full_precision
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
    (height, width); `anchors_outside` take no part. Deltas of positives only.
    """
    on_device = []
    for boxes, size in zip(truth, sizes, strict=True):
        outside = anchors_outside(anchors, size, config.allowed_border_px)
        # nor can one be the best of an object: it is a point, which overlaps nothing
        inside = anchors.masked_fill(outside[:, None], -1.0)
        assigned = assign_boxes(
            inside, boxes, config.positive_iou, config.negative_iou, config.low_quality_iou
        )
        on_device.append(assigned.masked_fill(outside, IGNORED))
    # numbers of objects fit into 32 bits, and half as much has to be copied
    samples = [
        sample_balanced(assigned.long(), config.samples, config.positive_fraction)
        for assigned in to_host(*(assigned.int() for assigned in on_device))
    ]
    placed = to_device(*(part for sample in samples for part in sample), device=anchors.device)
    class_terms, box_terms, count = [], [], 0
    for image, (boxes, assigned) in enumerate(zip(truth, on_device, strict=True)):
        positives, negatives = placed[2 * image : 2 * image + 2]
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
