"""Run-length masks: the only place that talks to pycocotools' mask functions for encoding and decoding."""

from __future__ import annotations

from typing import TypeGuard

import numpy as np
from pycocotools import mask as coco_mask

from vis_bench.types import Box, Rle


def encode(mask: np.ndarray) -> Rle:
    """Encode one boolean mask [H, W]."""
    return coco_mask.encode(np.asfortranarray(mask, dtype=np.uint8))


def encode_or_none(masks: np.ndarray) -> list[Rle | None]:
    """Encode masks [n, H, W]; a mask without a pixel becomes None (the object counts as absent)."""
    return [encode(mask) if mask.any() else None for mask in masks]


def decode(rle: Rle) -> np.ndarray:
    """Decode to a boolean mask [H, W]."""
    return coco_mask.decode(rle).astype(bool)


def area(rle: Rle) -> int:
    """Number of pixels."""
    return int(coco_mask.area(rle))


def has_pixels(rle: Rle | None) -> TypeGuard[Rle]:
    """Whether the object is there: null and a mask without a pixel are absence."""
    return rle is not None and (rle["area"] if "area" in rle else area(rle)) > 0


def tight_box(rle: Rle) -> Box:
    """Tight box (x, y, width, height) in pixels; zeros for an empty mask."""
    x, y, width, height = coco_mask.toBbox(rle)
    return float(x), float(y), float(width), float(height)
