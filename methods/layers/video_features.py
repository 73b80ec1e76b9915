"""Features of a video whose frames arrive one by one: backbone and pixel decoder, a few frames at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

import torch
from torch import Tensor

from methods.layers.images import masks_to_original, normalise_and_pad, resize_frame

FrameFeatures = Callable[[Tensor], tuple[dict[str, Tensor], Tensor]]


@dataclass(frozen=True, slots=True)
class FrameSizes:
    """(height, width) in pixels of the padded input, of the resized frame inside it, and of the original."""

    padded: tuple[int, int]
    resized: tuple[int, int]
    original: tuple[int, int]

    def masks(self, logits: Tensor) -> Tensor:
        """Mask logits [n, h, w] of one frame -> bool [n, H, W] at the original size."""
        return masks_to_original(logits, self.padded, self.resized, self.original)


@dataclass(frozen=True, slots=True)
class VideoFeatures:
    """maps: {level: [T, dims, h, w]} that the decoder attends to; mask_features: [T, m, H/4, W/4]."""

    maps: Mapping[str, Tensor]
    mask_features: Tensor
    sizes: FrameSizes


def features_in_passes(
    frames: Iterator[Tensor],
    frame_features: FrameFeatures,
    short_side: int | None,
    max_long_side: int,
    frames_per_pass: int,
) -> Iterator[VideoFeatures]:
    """Features of `frames_per_pass` frames after the other, read only when asked for.

    frames: [3, H, W] uint8 RGB, all of one size. frame_features: images [n, 3, H, W] -> (maps, mask
    features). short_side, max_long_side: as `resize_frame`.
    """
    while batch := list(islice(frames, frames_per_pass)):
        small = [resize_frame(frame, short_side, max_long_side) for frame in batch]
        images = normalise_and_pad(small)
        maps, mask_features = frame_features(images)
        (height, width), (resized_height, resized_width) = batch[0].shape[-2:], small[0].shape[-2:]
        padded = (images.shape[-2], images.shape[-1])
        sizes = FrameSizes(padded, (resized_height, resized_width), (height, width))
        yield VideoFeatures(maps, mask_features, sizes)


def join_features(parts: list[VideoFeatures]) -> VideoFeatures:
    """The features of consecutive frames as one. Raises ValueError for no parts (a video without frames)."""
    if not parts:
        raise ValueError("a video without frames has no features")
    maps = {name: torch.cat([part.maps[name] for part in parts]) for name in parts[0].maps}
    return VideoFeatures(maps, torch.cat([part.mask_features for part in parts]), parts[0].sizes)
