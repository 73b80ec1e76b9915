"""From the outputs of the last stage to the candidates of one frame.

Source: QueryTrack, Sec 3.2; specification 2.4.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np
import torch
from torch import Tensor
from torchvision.ops import clip_boxes_to_image

from methods.layers.images import normalise_and_pad, resize_frame
from methods.layers.paste import paste_masks
from methods.layers.query_stage import StageOutput
from methods.layers.transfer import constant, to_device, to_host
from methods.querytrack.config import QueryTrackConfig
from methods.tracking.bank import RawDetections
from methods.tracking.lazy_masks import LazyMasks
from vis_bench.masks.rle import encode_or_none
from vis_bench.types import Rle


class Network(Protocol):
    """What inference needs of the model; see `QueryTrack`."""

    def pyramid(self, images: Tensor) -> dict[str, Tensor]: ...

    def refine(self, pyramid: Mapping[str, Tensor], sizes: Tensor) -> list[StageOutput]: ...

    def masks(
        self, stage: int, pyramid: Mapping[str, Tensor], image: Tensor, queries: Tensor, boxes: Tensor
    ) -> Tensor: ...

    def embeddings(
        self, stage: int, pyramid: Mapping[str, Tensor], image: Tensor, queries: Tensor, boxes: Tensor
    ) -> Tensor: ...


def select_candidates(scores: Tensor, keep: int, threshold: float, query_once: bool) -> tuple[Tensor, Tensor]:
    """The best (query, class) pairs of a frame, best first; no suppression of overlaps.

    scores: [N, C] in 0..1. keep: at most so many pairs. threshold: pairs below it are left out. query_once:
    a query takes part with its best class only. Returns queries [n] and labels [n], int64.
    """
    if query_once:
        # -1 is below every threshold
        best = scores.argmax(dim=1, keepdim=True)
        scores = torch.full_like(scores, -1.0).scatter(1, best, scores.gather(1, best))
    flat = scores.flatten()
    order = flat.argsort(descending=True, stable=True)[:keep]
    order = order[flat[order] >= threshold]
    return order // scores.shape[1], order % scores.shape[1]


def detect_frame(network: Network, frame: Tensor, config: QueryTrackConfig) -> RawDetections:
    """Candidates of one frame [3, H, W] uint8 RGB: at most `detections_per_frame`, best first.

    Masks and embeddings come from the last stage. Embeddings are computed for the candidates only, masks for
    those that are put out, pasted at the original size. Boxes are in original pixels, clipped to the frame.
    """
    original = (int(frame.shape[-2]), int(frame.shape[-1]))
    resized = resize_frame(frame, config.test_short_side, config.test_max_long_side)
    size = (int(resized.shape[-2]), int(resized.shape[-1]))
    images = normalise_and_pad([resized])
    pyramid = network.pyramid(images)
    last = network.refine(pyramid, constant(size, images.device, torch.int64)[None])[-1]

    # a query is a row, so that the selection on the host is cheap and its outcome known there
    (scores,) = to_host(last.class_logits[0].sigmoid())
    selected = select_candidates(
        scores, config.detections_per_frame, config.score_threshold, config.query_once
    )
    queries, labels = to_device(*selected, device=images.device)
    image, stage = torch.zeros_like(queries), config.stages - 1
    attended, boxes = last.attended[0, queries], last.boxes[0, queries]
    embeddings = network.embeddings(stage, pyramid, image, attended, boxes)

    to_original = constant([original[1] / size[1], original[0] / size[0]] * 2, boxes.device, boxes.dtype)
    placed = boxes * to_original

    @torch.no_grad()
    def draw(rows: np.ndarray) -> list[Rle | None]:
        (chosen,) = to_device(torch.from_numpy(rows), device=boxes.device)
        logits = network.masks(stage, pyramid, image[chosen], attended[chosen], boxes[chosen])
        own = logits[torch.arange(len(chosen), device=boxes.device), labels[chosen]]
        return encode_or_none(paste_masks(own, placed[chosen], original).cpu().numpy())

    corners, vectors = to_host(clip_boxes_to_image(placed, original), embeddings)
    return RawDetections(
        scores=scores[selected].double().numpy(),
        labels=selected[1].numpy(),
        boxes=corners.double().numpy(),
        embeddings=vectors.double().numpy(),
        segmentations=LazyMasks(len(labels), draw),
    )
