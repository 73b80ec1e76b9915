"""Training clips: which frames of which video, under which augmentation, as a pure function of an index."""

from __future__ import annotations

import torch

from vis_bench.data.frames import image_root_of
from vis_bench.engine.training.clips.augment import draw_transform
from vis_bench.engine.training.clips.draws import Draws, shuffled_once
from vis_bench.engine.training.clips.pixels import transformed_frames, transformed_objects
from vis_bench.errors import DataError
from vis_bench.method import Augmentation, Clip, ClipSampling
from vis_bench.types import Dataset, Video


class ClipSampler:
    """Training clips of a dataset with frames and truth. Picklable; holds no state that changes.

    Pickled it is small where the dataset comes from a packed store, and then a clip reads only what it shows.

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
        self._dataset = dataset
        self._sampling = sampling
        self._augmentation = augmentation
        self._order_seed = order_seed
        self._augmentation_seed = augmentation_seed

    def video(self, index: int) -> Video:
        """The video of clip `index` (>= 0)."""
        videos = self._dataset.videos
        epoch, place = divmod(index, len(videos))
        return videos[int(shuffled_once(len(videos), self._order_seed, epoch)[place])]

    def clip(self, index: int) -> Clip:
        """Clip `index` (>= 0); see Clip for shapes. Raises DataError for a frame that cannot be read."""
        video = self.video(index)
        draws = Draws(self._augmentation_seed, index)
        chosen = choose_frames(self._sampling, video.length, draws)
        transform = draw_transform(self._augmentation, video.height, video.width, draws)
        size = (video.height, video.width)
        names = [video.file_names[frame] for frame in chosen]
        tracks = self._dataset.tracks_in_frames(video.id, chosen)
        objects = transformed_objects(tracks, len(chosen), size, transform)
        labels = [self._dataset.label_of_category[track.category_id] for track in objects.tracks]
        return Clip(
            frames=transformed_frames(self._image_root, names, size, transform),
            labels=torch.tensor(labels, dtype=torch.int64),
            masks=objects.masks,
            boxes=objects.boxes,
            visible=objects.visible,
        )


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
