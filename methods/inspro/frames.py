"""One frame at inference: the network's input, and slots back at the frame's original size."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from methods.inspro.masks import MaskHead
from methods.layers.box_codec import clip_boxes
from methods.layers.images import masks_to_original, normalise_and_pad, resize_frame
from methods.layers.query_stage import StageOutput
from methods.layers.transfer import constant
from vis_bench.masks import rle
from vis_bench.types import Rle


@dataclass(frozen=True, slots=True)
class FrameInput:
    """images: [1, 3, H, W] float, padded. resized, original: (height, width) unpadded, and of the video.

    sizes: `resized` as int64 [1, 2].
    """

    images: Tensor
    resized: tuple[int, int]
    original: tuple[int, int]
    sizes: Tensor


def prepare_frame(frame: Tensor, short_side: int | None, max_long_side: int) -> FrameInput:
    """One uint8 frame [3, H, W] -> what the network reads; None keeps the frame's size."""
    resized = resize_frame(frame, short_side, max_long_side)
    size = (int(resized.shape[-2]), int(resized.shape[-1]))
    images = normalise_and_pad([resized])
    original = (int(frame.shape[-2]), int(frame.shape[-1]))
    return FrameInput(images, size, original, constant(size, images.device, torch.int64)[None])


def boxes_to_original(boxes: Tensor, frame: FrameInput) -> Tensor:
    """Boxes [N, 4] px of the network input -> clipped to the frame, px of the original [N, 4]."""
    height, width = frame.original
    scales = (width / frame.resized[1], height / frame.resized[0])
    scale = constant(scales, boxes.device, boxes.dtype).repeat(2)
    return clip_boxes(boxes[None], frame.sizes)[0] * scale


def encode_slots(
    mask_head: MaskHead,
    stage: int,
    pyramid: Mapping[str, Tensor],
    output: StageOutput,
    slots: Tensor,
    frame: FrameInput,
) -> list[Rle | None]:
    """Masks at the original size of the chosen `slots` [n] int64 of one image; None where a mask is empty.

    Only the chosen slots are decoded: masks are the costly part, and most slots are empty. Without a chosen
    slot the mask features of the frame are not computed either.
    """
    if len(slots) == 0:
        return []
    logits = mask_head(
        stage,
        mask_head.features(pyramid),
        torch.zeros_like(slots),
        output.object_features[0, slots],
        output.boxes[0, slots],
    )
    padded = (int(frame.images.shape[-2]), int(frame.images.shape[-1]))
    masks = masks_to_original(logits, padded, frame.resized, frame.original)
    return rle.encode_or_none(masks.cpu().numpy())
