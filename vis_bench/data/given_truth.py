"""Truth that a user has for a split whose truth is hidden: the official validation sets, say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from vis_bench.data.splits import keep_videos
from vis_bench.data.stored import open_annotations
from vis_bench.errors import DataError
from vis_bench.types import Dataset


def with_truth(dataset: Dataset, file: Path, cache_root: Path | None = None) -> Dataset:
    """The videos of a split with the truth of an annotation file, whose ids and hash it has from then on.

    Name, split and frames are those of the data set. The file may hold fewer videos (the short ones of
    YouTube-VIS 2022, say): then only these are scored.

    Raises DataError unless every video of the file is one of the split, with its size and frames, and the
    classes are the same; also for a file without annotations.
    """
    truth = open_annotations(file, None, file.name, "truth", cache_root)
    where = f"{file} is not the truth of {dataset.name} {dataset.split}"
    if truth.tracks is None or not len(truth.tracks):
        raise DataError(f"{file}: holds no annotations, so it is no truth.")
    known = {video.name: video for video in dataset.videos}
    for video in truth.videos:
        own = known.get(video.name)
        if own is None:
            raise DataError(f"{where}: video {video.name!r} is not in this split.")
        if (own.width, own.height, own.file_names) != (video.width, video.height, video.file_names):
            raise DataError(
                f"{where}: video {video.name!r} has {video.length} frames of {video.width}x{video.height} "
                "there "
                f"and {own.length} of {own.width}x{own.height} here, or other file names."
            )
    if [one.name for one in truth.categories] != [one.name for one in dataset.categories]:
        raise DataError(
            f"{where}: it has {len(truth.categories)} classes, the data set {len(dataset.categories)}, or "
            "they "
            "are named or ordered otherwise."
        )
    return replace(
        keep_videos(truth, dataset.split, frozenset(video.id for video in truth.videos)),
        name=dataset.name,
        image_root=dataset.image_root,
    )
