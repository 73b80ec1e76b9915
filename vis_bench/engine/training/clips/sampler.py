"""Training clips: which frames of which video, under which augmentation, as a pure function of an index."""

from __future__ import annotations

import numpy as np
import torch

from vis_bench.data.frames import image_root_of, load_frame
from vis_bench.engine.training.clips.augment import apply_transform, draw_transform, tight_boxes
from vis_bench.engine.training.clips.draws import Draws
from vis_bench.errors import DataError
from vis_bench.masks.rle import decode
from vis_bench.method import Augmentation, Clip, ClipSampling
from vis_bench.types import Dataset, TruthTrack, Video


class ClipSampler:
    """Training clips of a dataset with frames and truth. Picklable; holds no state that changes.

    Clip `index` is the same whenever and wherever it is asked for, so a resumed run just goes on from its
    next index. The videos follow an endless sequence of shuffled epochs given by order_seed alone: methods
    with different clip lengths see the same videos in the same order. Frames and augmentation are drawn from
    (augmentation_seed, index). Crowd objects are left out; a clip may hold no object at all.

    Raises DataError when the dataset has no videos, no frames or no public truth.
    """

    def __init__(
        self,
        dataset: Dataset,
        sampling: ClipSampling,
        augmentation: Augmentation,
        order_seed: int,
        augmentation_seed: int,
    ) -> None:
        if dataset.tracks is None:
            raise DataError(
                f"{dataset.name} {dataset.split}: its truth is not public, so nothing can be trained on it. "
                "Use split `train`."
            )
        if not dataset.videos:
            raise DataError(f"{dataset.name} {dataset.split}: has no videos to train on.")
        self._image_root = image_root_of(dataset)
        self._videos = dataset.videos
        self._tracks = {
            video_id: tuple(track for track in tracks if not track.is_crowd)
            for video_id, tracks in dataset.tracks_by_video.items()
        }
        self._labels = dict(dataset.label_of_category)
        self._sampling = sampling
        self._augmentation = augmentation
        self._order_seed = order_seed
        self._augmentation_seed = augmentation_seed

    def video(self, index: int) -> Video:
        """The video of clip `index` (>= 0)."""
        epoch, place = divmod(index, len(self._videos))
        return self._videos[Draws(self._order_seed, epoch).shuffled(len(self._videos))[place]]

    def clip(self, index: int) -> Clip:
        """Clip `index` (>= 0); see Clip for shapes. Raises DataError for a frame that cannot be read."""
        video = self.video(index)
        draws = Draws(self._augmentation_seed, index)
        chosen = choose_frames(self._sampling, video.length, draws)
        transform = draw_transform(self._augmentation, video.height, video.width, draws)
        tracks = [
            track
            for track in self._tracks[video.id]
            if any(track.segmentations[frame] is not None for frame in chosen)
        ]
        frames, masks = apply_transform(
            transform, self._read_frames(video, chosen), decode_masks(tracks, video, chosen)
        )
        boxes, visible = tight_boxes(masks)
        kept = visible.any(dim=0)
        labels = torch.tensor([self._labels[track.category_id] for track in tracks], dtype=torch.int64)
        return Clip(
            frames=frames,
            labels=labels[kept],
            masks=masks[:, kept],
            boxes=boxes[:, kept],
            visible=visible[:, kept],
        )

    def _read_frames(self, video: Video, chosen: list[int]) -> torch.Tensor:
        size = (video.height, video.width)
        loaded = {frame: load_frame(self._image_root, video.file_names[frame], size) for frame in set(chosen)}
        pixels = torch.from_numpy(np.stack([loaded[frame] for frame in chosen]))
        return pixels.permute(0, 3, 1, 2).contiguous()


def choose_frames(sampling: ClipSampling, length: int, draws: Draws) -> list[int]:
    """Frame numbers of one clip from a video of `length` frames.

    A key frame is drawn uniformly; the others are drawn without replacement from the frames within
    `sampling.window` of it (the whole video when None). Where these are too few, every one of them is used
    and the rest are repeats drawn from them and the key frame. Sorted in time when `sampling.ordered`, else
    the key frame first and the others in random order.
    """
    key = draws.below(length)
    reach = length if sampling.window is None else sampling.window
    near = [f for f in range(max(0, key - reach), min(length, key + reach + 1)) if f != key]
    others = [near[i] for i in draws.shuffled(len(near))][: sampling.frames - 1]
    while len(others) < sampling.frames - 1:
        others.append(draws.choice([key, *near]))
    return sorted([key, *others]) if sampling.ordered else [key, *others]


def decode_masks(tracks: list[TruthTrack], video: Video, chosen: list[int]) -> torch.Tensor:
    """Masks [T, N, H, W] bool at the original size."""
    masks = np.zeros((len(chosen), len(tracks), video.height, video.width), dtype=bool)
    for t, frame in enumerate(chosen):
        for n, track in enumerate(tracks):
            rle = track.segmentations[frame]
            if rle is not None:
                masks[t, n] = decode(rle)
    return torch.from_numpy(masks)
