"""Training clips: which frames of which video, under which augmentation, as a pure function of an index."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from vis_bench.data.frames import image_root_of
from vis_bench.data.shown_frames import shown_frames
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
    next index. The videos, or their key frames where `sampling.draw` says so, follow an endless sequence of
    shuffled epochs given by order_seed alone: methods that draw alike but have different clip lengths see the
    same in the same order. Other frames and augmentation are drawn from (augmentation_seed, index). Crowd
    objects are left out; a clip may hold no object at all.

    Raises DataError when the dataset has no videos, no frames or no public truth, or when only frames with
    objects are wanted as key frames and none has one.
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
        self._usable = shown_frames(dataset) if sampling.only_with_objects else None
        # [K, 2] int32, (place of the video, frame) of every key frame, where these are drawn
        self._keys = self._key_frames() if sampling.draw == "frames" else None

    def _key_frames(self) -> np.ndarray:
        keys = [
            (place, frame)
            for place, video in enumerate(self._dataset.videos)
            for frame in (range(video.length) if self._usable is None else self._usable[video.id])
        ]
        if not keys:
            raise DataError(
                f"{self._dataset.name} {self._dataset.split}: no frame shows an object, so there is no key "
                "frame to train on. Set train.sampling.only_with_objects=false to train on empty frames."
            )
        return np.array(keys, dtype=np.int32)

    def video(self, index: int) -> Video:
        """The video of clip `index` (>= 0)."""
        return self._drawn(index)[0]

    def _drawn(self, index: int) -> tuple[Video, int | None]:
        """The video of a clip, and its key frame where the order of clips decides it."""
        if self._keys is None:
            return self._dataset.videos[self._in_order(index, len(self._dataset.videos))], None
        video, frame = self._keys[self._in_order(index, len(self._keys))].tolist()
        return self._dataset.videos[video], frame

    def _in_order(self, index: int, count: int) -> int:
        epoch, place = divmod(index, count)
        return int(shuffled_once(count, self._order_seed, epoch)[place])

    def clip(self, index: int) -> Clip:
        """Clip `index` (>= 0); see Clip for shapes. Raises DataError for a frame that cannot be read."""
        video, key = self._drawn(index)
        draws = Draws(self._augmentation_seed, index)
        usable = range(video.length) if self._usable is None else self._usable[video.id]
        chosen = choose_frames(self._sampling, usable or range(video.length), draws, key)
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


def choose_frames(
    sampling: ClipSampling, usable: Sequence[int], draws: Draws, key: int | None = None
) -> list[int]:
    """Frame numbers of one clip. usable: frames of the video that may be drawn, rising, at least one.

    The key frame is drawn uniformly where it is not given; the others are drawn without replacement from the
    usable frames within `sampling.window` of it (all when None). Where these are too few, every one of them
    is used and the rest are repeats drawn from them and the key frame. Sorted in time when
    `sampling.ordered`, else the key frame first and the others in random order.
    """
    if key is None:
        key = usable[draws.below(len(usable))]
    near = [f for f in usable if f != key and (sampling.window is None or abs(f - key) <= sampling.window)]
    others = [near[i] for i in draws.shuffled(len(near))][: sampling.frames - 1]
    while len(others) < sampling.frames - 1:
        others.append(draws.choice([key, *near]))
    return sorted([key, *others]) if sampling.ordered else [key, *others]
