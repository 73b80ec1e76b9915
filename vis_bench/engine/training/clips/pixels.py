"""Frames and masks of a clip at the size at which they are trained on.

A clip is mostly its frames' decoding. What follows is kept near that floor: a frame is resized as the decoder
left it, and masks are drawn at their final size, once they are known to be visible.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from vis_bench.data.frames import load_frame
from vis_bench.engine.training.clips.augment import ClipTransform, mask_window, move_frame, output_size
from vis_bench.masks.sampled import sample_masks
from vis_bench.types import TruthTrack

try:
    from torchvision.io import decode_jpeg
except ImportError:
    # torchvision has announced the end of its decoders; Pillow gives the same pixels in more time
    decode_jpeg = None

_JPEG_START, _JPEG_END = b"\xff\xd8\xff", b"\xff\xd9"
# within a segment of at most 64 kB that comes before the pixels
_EXIF, _EXIF_WITHIN_BYTES = b"Exif\x00\x00", 1 << 17


@dataclass(frozen=True, slots=True)
class Objects:
    """The tracks that are visible in at least one frame of a clip; masks, boxes and visible as in Clip."""

    tracks: tuple[TruthTrack, ...]
    masks: Tensor
    boxes: Tensor
    visible: Tensor


def transformed_frames(
    image_root: Path, names: Sequence[str], size: tuple[int, int], transform: ClipTransform
) -> Tensor:
    """Frames [T, 3, h, w] uint8 RGB; one that is named twice is read once.

    names: relative to image_root. size: (height, width) of the frames in pixels.
    Raises DataError as load_frame.
    """
    frames = torch.empty((len(names), 3, *output_size(transform)), dtype=torch.uint8)
    first: dict[str, int] = {}
    for t, name in enumerate(names):
        if name in first:
            frames[t] = frames[first[name]]
            continue
        first[name] = t
        move_frame(transform, read_frame(image_root, name, size), frames[t])
    return frames


def read_frame(image_root: Path, name: str, size: tuple[int, int]) -> Tensor:
    """A frame [3, H, W] uint8 RGB, the pixels of `load_frame`, its channels side by side in memory.

    A JPEG is decoded by torchvision: the same library with the same settings, but without the copy that
    Pillow needs, whose fresh memory takes as long as decoding. Whatever is not an ordinary JPEG of the right
    size without an EXIF tag, and every error, is left to load_frame.
    Raises DataError as load_frame.
    """
    try:
        data = np.fromfile(image_root / name, dtype=np.uint8)
    except OSError:
        data = np.zeros(0, dtype=np.uint8)
    # a file that was cut off must be an error, and only Pillow is sure to notice
    whole = data[:3].tobytes() == _JPEG_START and data[-2:].tobytes() == _JPEG_END
    if whole and _EXIF not in data[:_EXIF_WITHIN_BYTES].tobytes() and decode_jpeg is not None:
        try:
            pixels = decode_jpeg(torch.from_numpy(data))
        except RuntimeError:
            pixels = torch.zeros(0)
        if tuple(pixels.shape) == (3, *size):
            return pixels
    return torch.from_numpy(load_frame(image_root, name, size).copy()).permute(2, 0, 1)


def transformed_objects(
    tracks: Sequence[TruthTrack], frames: int, size: tuple[int, int], transform: ClipTransform
) -> Objects:
    """The objects of a clip of T `frames` after the transform, in the order of `tracks`; crowds are left out.

    tracks: in the T frames of the clip alone. size: (height, width) of the masks in pixels.
    """
    tracks = [track for track in tracks if not track.is_crowd]
    found = [
        (t, n, rle)
        for t in range(frames)
        for n, track in enumerate(tracks)
        if (rle := track.segmentations[t]) is not None
    ]
    sampled = sample_masks([rle for _, _, rle in found], mask_window(transform, size))
    visible = np.zeros((frames, len(tracks)), dtype=bool)
    boxes = np.zeros((frames, len(tracks), 4), dtype=np.float32)
    at = tuple(np.array([one[:2] for one in found], dtype=np.int64).reshape(-1, 2).T)
    visible[at], boxes[at] = sampled.visible, sampled.boxes
    kept = visible.any(axis=0)
    masks = torch.zeros((frames, int(kept.sum()), *output_size(transform)), dtype=torch.bool)
    # where a mask goes, counted in kept tracks; those that are not visible are not drawn
    place = at[0] * masks.shape[1] + (np.cumsum(kept) - 1)[at[1]]
    sampled.draw(place, masks.numpy().reshape(-1, *masks.shape[2:]))
    return Objects(
        tuple(tracks[n] for n in np.flatnonzero(kept)),
        masks,
        torch.from_numpy(np.ascontiguousarray(boxes[:, kept])),
        torch.from_numpy(np.ascontiguousarray(visible[:, kept])),
    )
