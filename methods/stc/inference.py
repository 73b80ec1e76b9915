"""From the network's output to the detections of one frame.

Source: STC Section 3.5 (specification 3.4); CondInst and SipMask-VIS public code where the paper is silent.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.ops import clip_boxes_to_image

from methods.layers.condmask import aligned_upsample, dynamic_mask_logits
from methods.layers.fcos import decode_boxes
from methods.layers.images import masks_to_original, normalise_and_pad, resize_frame
from methods.layers.suppression import grouped_nms
from methods.layers.transfer import constant, to_device, to_host
from methods.stc.config import StcConfig
from methods.stc.outputs import StcOutputs
from methods.tracking.bank import RawDetections
from methods.tracking.lazy_masks import LazyMasks
from vis_bench.masks.rle import encode_or_none
from vis_bench.types import Rle

MASK_STRIDE = 8


def select_candidates(
    class_logits: Tensor, centre_logits: Tensor, levels: Tensor, config: StcConfig
) -> tuple[Tensor, Tensor, Tensor]:
    """(point, class) pairs above the threshold, at most `candidates_per_level` of each level.

    class_logits: [L, C]. centre_logits, levels: [L]. The threshold acts on the plain class confidence (or on
    the product, `threshold_on`); the ranking score is sqrt(class * centre-ness). Returns points [n] int64,
    labels [n] int64 and scores [n] in 0..1.
    """
    confidence = class_logits.sigmoid()
    product = confidence * centre_logits.sigmoid()[:, None]
    passed = confidence if config.threshold_on == "class" else product
    points, labels = (passed > config.score_threshold).nonzero(as_tuple=True)
    scores = product[points, labels].sqrt()
    # by level, and best first within a level
    order = scores.argsort(descending=True, stable=True)
    of_level, by_level = levels[points[order]].sort(stable=True)
    order = order[by_level]
    if len(order) > config.candidates_per_level:
        rank = torch.arange(len(order), device=order.device) - torch.searchsorted(of_level, of_level)
        order = order[(rank < config.candidates_per_level).nonzero()[:, 0]]
    return points[order], labels[order], scores[order]


def read_embeddings(embedding: Tensor, centres: Tensor, reading: str, stride: int = MASK_STRIDE) -> Tensor:
    """Embeddings of one image at points: embedding [D, h, w], centres [n, 2] (x, y) pixels -> [n, D].

    `nearest` takes the cell that contains the point, `bilinear` interpolates between cell middles; points
    outside the map take the border. No gradient flows into `centres`. Source: SipMask-VIS public code.
    """
    rows, columns = embedding.shape[-2:]
    centres = centres.detach()
    if reading == "nearest":
        x = (centres[:, 0] / stride).floor().long().clamp(0, columns - 1)
        y = (centres[:, 1] / stride).floor().long().clamp(0, rows - 1)
        return embedding[:, y, x].T
    size = constant([columns, rows], centres.device, centres.dtype) * stride
    grid = (2 * centres / size - 1)[None, :, None]
    sampled = F.grid_sample(
        embedding[None], grid.to(embedding.dtype), padding_mode="border", align_corners=False
    )
    return sampled[0, :, :, 0].T


def box_centres(boxes: Tensor) -> Tensor:
    """Middle (x, y) of boxes [..., 4]."""
    return (boxes[..., :2] + boxes[..., 2:]) / 2


def detect_frame(network: Callable[[Tensor], StcOutputs], frame: Tensor, config: StcConfig) -> RawDetections:
    """Detections of one frame [3, H, W] uint8 RGB: at most `detections_per_frame`, best first.

    Boxes and masks are in original pixels; masks are drawn for the detections that are put out only.
    """
    original = (frame.shape[-2], frame.shape[-1])
    resized = resize_frame(frame, config.test_short_side, config.test_max_long_side)
    height, width = resized.shape[-2:]
    images = normalise_and_pad([resized])
    out = network(images)

    points, labels, scores = select_candidates(
        out.class_logits[0], out.centre_logits[0], out.grid.levels, config
    )
    boxes = decode_boxes(out.grid.points[points], out.ltrb[0, points])
    boxes = clip_boxes_to_image(boxes, (height, width))
    keep = grouped_nms(boxes, scores, labels, config.nms_iou)[: config.detections_per_frame]
    points, labels, scores, boxes = points[keep], labels[keep], scores[keep], boxes[keep]

    scales = constant(config.coordinate_scales, points.device, out.grid.points.dtype)
    padded = (images.shape[-2], images.shape[-1])

    @torch.no_grad()
    def draw(rows: np.ndarray) -> list[Rle | None]:
        (wanted,) = to_device(torch.from_numpy(rows), device=points.device)
        chosen = points[wanted]
        logits = dynamic_mask_logits(
            out.mask_feature,
            out.kernels[0, chosen],
            torch.zeros_like(chosen),
            out.grid.points[chosen],
            scales[out.grid.levels[chosen]],
            stride=MASK_STRIDE,
            coordinates=config.coordinates,
            hidden=config.dynamic_hidden,
        )
        # twice, as in training: first to stride 4, where the loss acts, then to the padded input
        full = aligned_upsample(aligned_upsample(logits, 2), MASK_STRIDE // 2)
        masks = masks_to_original(full, padded, (height, width), original)
        return encode_or_none(masks.cpu().numpy())

    embeddings = read_embeddings(out.embedding[0], box_centres(boxes), config.loss.anchor_reading)
    to_original = constant([original[1] / width, original[0] / height] * 2, boxes.device, boxes.dtype)
    confidences, classes, places, vectors = to_host(scores, labels, boxes * to_original, embeddings)
    return RawDetections(
        scores=confidences.double().numpy(),
        labels=classes.numpy(),
        boxes=places.double().numpy(),
        embeddings=vectors.double().numpy(),
        segmentations=LazyMasks(len(points), draw),
    )
