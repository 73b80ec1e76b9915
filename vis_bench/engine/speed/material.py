"""Which frames are timed: videos of a split, over and over until there are enough, or made to a length."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from torch import Tensor

from vis_bench.data.frames import image_root_of, load_frame
from vis_bench.engine.speed.probe import as_tensor
from vis_bench.errors import UsageError
from vis_bench.types import Dataset, Video

WARM_UP_FRAMES = 8
LENGTHS = (30, 100, 300, 1000)


def timed_videos(dataset: Dataset, frames: int, short: bool) -> list[Video]:
    """Whole videos in order, again from the first when all were used, until there are `frames` frames.

    short: the last one is cut, so that there are exactly so many. Raises UsageError for an empty split.
    """
    if not dataset.videos:
        raise UsageError(f"{dataset.name} {dataset.split}: has no video to measure speed on.")
    chosen: list[Video] = []
    missing = frames
    while missing > 0:
        video = dataset.videos[len(chosen) % len(dataset.videos)]
        if short and video.length > missing:
            video = first_frames(video, missing)
        chosen.append(video)
        missing -= video.length
    return chosen


def distinct(videos: Sequence[Video]) -> list[Video]:
    """Every video once, a cut one beside the whole."""
    return list({(video.id, video.length): video for video in videos}.values())


def first_frames(video: Video, frames: int) -> Video:
    """The beginning of a video."""
    return replace(video, file_names=video.file_names[:frames])


def one_per_shape(videos: Sequence[Video], online: bool) -> list[Video]:
    """One video of each input shape, to warm up with: its beginning; all of it for a clip-level method."""
    shapes: dict[tuple[int, ...], Video] = {}
    for video in videos:
        shape = (video.height, video.width) if online else (video.height, video.width, video.length)
        shapes.setdefault(shape, first_frames(video, WARM_UP_FRAMES) if online else video)
    return list(shapes.values())


def in_memory(dataset: Dataset, video: Video, mirrored: bool = False, pinned: bool = False) -> list[Tensor]:
    """Frames of a video, uint8 [3, H, W]; a frame that occurs more than once is held once.

    mirrored: left and right exchanged, for a warm-up that shows nothing of what is timed. pinned: in
    page-locked memory, from which a GPU copies by itself; needs CUDA.
    """
    root = image_root_of(dataset)
    size = (video.height, video.width)
    frames: Mapping[str, Tensor] = {
        name: as_tensor(load_frame(root, name, size)) for name in dict.fromkeys(video.file_names)
    }
    if mirrored:
        frames = {name: frame.flip(-1) for name, frame in frames.items()}
    if pinned:
        frames = {name: frame.pin_memory() for name, frame in frames.items()}
    return [frames[name] for name in video.file_names]


def of_length(video: Video, frames: int) -> Video:
    """A video of so many frames: forwards, backwards, forwards, ... so that motion stays continuous."""
    there = range(video.length)
    cycle = [*there, *reversed(there[1:-1])]
    names = tuple(video.file_names[cycle[index % len(cycle)]] for index in range(frames))
    return replace(video, name=f"{video.name} to {frames} frames", file_names=names)


def videos_with_objects(dataset: Dataset, objects: int) -> list[Video]:
    """Videos with so many annotated objects."""
    return [video for video in dataset.videos if len(dataset.tracks_by_video[video.id]) == objects]


def object_counts(dataset: Dataset) -> list[int]:
    """Numbers of objects that occur, ascending. Raises UsageError where the truth is hidden."""
    if dataset.tracks is None:
        raise UsageError(
            f"{dataset.name} {dataset.split}: the number of objects is not public, so there is no curve over "
            "it. Use a split with annotations, or --curve length."
        )
    counts = {len(dataset.tracks_by_video[video.id]) for video in dataset.videos}
    return sorted(counts - {0})
