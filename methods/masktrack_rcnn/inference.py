"""From class probabilities and deltas of the proposals to the detections of a frame.

Source: He et al., Mask R-CNN, Sec 3.1 (inference); specification 1.4, step 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torchvision.ops import clip_boxes_to_image

from methods.layers.box_codec import MMDET_LOG_SCALES, decode_deltas
from methods.layers.suppression import grouped_nms
from methods.masktrack_rcnn.config import MaskTrackConfig
from methods.masktrack_rcnn.losses import delta_weights


@dataclass(frozen=True, slots=True)
class RefinedBoxes:
    """Detections before masks and embeddings, best first: scores [n] in 0..1, labels [n] int64 in 0..C-1,
    boxes [n, 4] px of the network input."""

    scores: Tensor
    labels: Tensor
    boxes: Tensor


@torch.no_grad()
def select_detections(
    proposals: Tensor, logits: Tensor, deltas: Tensor, size: tuple[int, int], config: MaskTrackConfig
) -> RefinedBoxes:
    """(proposal, class) pairs above the threshold, suppressed within a class, the best of them.

    proposals: [n, 4] px. logits: [n, 1 + C], column 0 background. deltas: [n, 1 + C, 4]. size: un-padded
    (height, width). Each pair uses the deltas of its own class; boxes are clipped to the frame, those without
    area dropped.
    """
    probability = logits.softmax(dim=1)[:, 1:]
    row, label = (probability > config.score_threshold).nonzero(as_tuple=True)
    boxes = decode_deltas(deltas[row, label + 1], proposals[row], delta_weights(config.roi), MMDET_LOG_SCALES)
    boxes = clip_boxes_to_image(boxes, size)
    solid = (boxes[:, 2:] > boxes[:, :2]).all(dim=1).nonzero()[:, 0]
    boxes, label, scores = boxes[solid], label[solid], probability[row, label][solid]
    keep = grouped_nms(boxes, scores, label, config.nms_iou)[: config.detections_per_frame]
    return RefinedBoxes(scores[keep], label[keep], boxes[keep])
