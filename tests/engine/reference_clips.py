"""Training clips made the plain way: every mask and frame at its own size, then transformed with torchvision.

This is how the sampler worked before it read run lengths; clips of today are compared with these, pixel by
pixel, and so is their cost.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as F

from vis_bench.data.frames import image_root_of, load_frame
from vis_bench.engine.training.clips.augment import ClipTransform, draw_transform, tight_boxes
from vis_bench.engine.training.clips.draws import Draws
from vis_bench.engine.training.clips.sampler import choose_frames
from vis_bench.masks.rle import decode
from vis_bench.method import Augmentation, Clip, ClipSampling
from vis_bench.types import Dataset, TruthTrack, Video


@dataclass(frozen=True)
class ReferenceSampler:
    """`ClipSampler` with the same arguments, made the plain way."""

    dataset: Dataset
    sampling: ClipSampling
    augmentation: Augmentation
    order_seed: int
    augmentation_seed: int

    def clip(self, index: int) -> Clip:
        """Clip `index` (>= 0)."""
        videos = self.dataset.videos
        epoch, place = divmod(index, len(videos))
        video = videos[Draws(self.order_seed, epoch).shuffled(len(videos))[place]]
        draws = Draws(self.augmentation_seed, index)
        chosen = choose_frames(self.sampling, range(video.length), draws)
        transform = draw_transform(self.augmentation, video.height, video.width, draws)
        tracks = [
            track
            for track in self.dataset.tracks_by_video[video.id]
            if not track.is_crowd and any(track.segmentations[frame] is not None for frame in chosen)
        ]
        frames, masks = apply_transform(
            transform, self._read_frames(video, chosen), decode_masks(tracks, video, chosen)
        )
        boxes, visible = tight_boxes(masks)
        kept = visible.any(dim=0)
        label = self.dataset.label_of_category
        labels = torch.tensor([label[track.category_id] for track in tracks], dtype=torch.int64)
        return Clip(frames, labels[kept], masks[:, kept], boxes[:, kept], visible[:, kept])

    def _read_frames(self, video: Video, chosen: list[int]) -> torch.Tensor:
        size = (video.height, video.width)
        root = image_root_of(self.dataset)
        loaded = {frame: load_frame(root, video.file_names[frame], size) for frame in set(chosen)}
        pixels = torch.from_numpy(np.stack([loaded[frame] for frame in chosen]))
        return pixels.permute(0, 3, 1, 2).contiguous()


def decode_masks(tracks: list[TruthTrack], video: Video, chosen: list[int]) -> torch.Tensor:
    """Masks [T, N, H, W] bool at the original size."""
    masks = np.zeros((len(chosen), len(tracks), video.height, video.width), dtype=bool)
    for t, frame in enumerate(chosen):
        for n, track in enumerate(tracks):
            rle = track.segmentations[frame]
            if rle is not None:
                masks[t, n] = decode(rle)
    return torch.from_numpy(masks)


def apply_transform(
    transform: ClipTransform, frames: torch.Tensor, masks: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Frames [T, 3, H, W] uint8 and masks [T, N, H, W] bool, resized, flipped and cropped alike."""
    moved_frames = _apply(transform, frames, InterpolationMode.BILINEAR)
    if masks.shape[1] == 0:
        return moved_frames, masks.new_zeros((*masks.shape[:2], *moved_frames.shape[-2:]))
    moved_masks = _apply(transform, masks.to(torch.uint8), InterpolationMode.NEAREST_EXACT)
    return moved_frames, moved_masks.bool()


def _apply(transform: ClipTransform, pixels: torch.Tensor, interpolation: InterpolationMode) -> torch.Tensor:
    if tuple(pixels.shape[-2:]) != transform.size:
        pixels = F.resize_image(
            pixels, list(transform.size), interpolation, antialias=interpolation is InterpolationMode.BILINEAR
        )
    if transform.flip:
        pixels = F.horizontal_flip_image(pixels)
    if transform.crop is not None:
        pixels = F.crop_image(pixels, *transform.crop)
    return pixels.contiguous()
