"""Features of a video whose frames arrive one by one: backbone and pixel decoder, a few frames at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from torch import Tensor

from methods.layers.images import masks_to_original, normalise_and_pad, resize_frame
from methods.layers.query_masks import resize_features

FrameFeatures = Callable[[Tensor], tuple[dict[str, Tensor], Tensor]]
Levels = Mapping[str, Sequence[Tensor]]
# about one frame of 384x640; on a CPU, frames beyond that share no work, and cost memory and caches
CPU_PASS_PIXELS = 250_000


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
    """What is kept of consecutive frames (a clip, B = 1), in the parts in which they were computed.

    maps: {level: parts [1, t, dims, h, w]} that the decoder attends to. resized: {level: parts
    [1, t, m, h, w]}, the mask features at the size of each such level. mask_features: [m, H/4, W/4] of each
    frame. All as they were computed, or in float16 where memory is short.
    """

    maps: Levels
    resized: Levels
    mask_features: Sequence[Tensor]
    sizes: FrameSizes


def features_in_passes(
    frames: Iterator[Tensor],
    frame_features: FrameFeatures,
    short_side: int | None,
    max_long_side: int,
    frames_per_pass: int,
    half: bool = False,
) -> Iterator[VideoFeatures]:
    """Features of `frames_per_pass` frames after the other, read only when asked for.

    frames: [3, H, W] uint8 RGB, all of one size. frame_features: images [n, 3, H, W] -> (maps, mask
    features). short_side, max_long_side: as `resize_frame`. A CPU takes fewer frames at a time where they are
    larger than `CPU_PASS_PIXELS` together. half: keep the features in float16.
    """
    for first in frames:
        small = [resize_frame(first, short_side, max_long_side)]
        at_once = _frames_at_once(small[0], frames_per_pass)
        small += [resize_frame(frame, short_side, max_long_side) for frame in islice(frames, at_once - 1)]
        images = normalise_and_pad(small)
        maps, mask_features = frame_features(images)
        (height, width), (resized_height, resized_width) = first.shape[-2:], small[0].shape[-2:]
        padded = (images.shape[-2], images.shape[-1])
        sizes = FrameSizes(padded, (resized_height, resized_width), (height, width))
        resized = resized_to_levels(mask_features[None], maps)
        if half:
            maps, resized = ({name: x.half() for name, x in each.items()} for each in (maps, resized))
            mask_features = mask_features.half()
        yield VideoFeatures(
            {name: [x[None]] for name, x in maps.items()},
            {name: [x] for name, x in resized.items()},
            mask_features.unbind(),
            sizes,
        )


def _frames_at_once(frame: Tensor, frames_per_pass: int) -> int:
    if frame.device.type != "cpu":
        return frames_per_pass
    return max(1, min(frames_per_pass, CPU_PASS_PIXELS // frame[0].numel()))


def resized_to_levels(mask_features: Tensor, maps: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The mask features [B, T, m, H/4, W/4] at the size of every level of `maps` {level: [..., h, w]}.

    Without gradient: they say where the queries may look next.
    """
    return {name: resize_features(mask_features.detach(), x.shape[-2:]) for name, x in maps.items()}


def join_features(parts: list[VideoFeatures]) -> VideoFeatures:
    """The features of consecutive frames as one, without copying them.

    Raises ValueError for no parts (a video without frames).
    """
    if not parts:
        raise ValueError("a video without frames has no features")
    maps, resized = (
        {name: [x for levels in each for x in levels[name]] for name in parts[0].maps}
        for each in ([part.maps for part in parts], [part.resized for part in parts])
    )
    frames = [frame for part in parts for frame in part.mask_features]
    return VideoFeatures(maps, resized, frames, parts[0].sizes)
