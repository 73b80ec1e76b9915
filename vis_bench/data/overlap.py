"""Videos that were trained on and would be scored: the pictures decide, not names or annotation files."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from vis_bench.data.frames import image_root_of
from vis_bench.errors import DataError
from vis_bench.files import sha256
from vis_bench.types import Dataset, Video


def seen_videos(train: Dataset, test: Dataset) -> tuple[str, ...]:
    """Names of the videos of `test` that are in `train` too, in the order of `test`.

    Two videos are the same when their first, their middle and their last frame are, byte for byte; whatever
    they are called, and whichever file annotates them. Files are only read where their sizes agree. Raises
    DataError for a frame that is missing or cannot be read.
    """
    known = defaultdict[tuple[int, ...], list[tuple[Path, ...]]](list)
    for video in train.videos:
        files = _looked_at(train, video)
        known[_sizes(files)].append(files)
    return tuple(
        video.name
        for video in test.videos
        if any(_same(files, other) for files in [_looked_at(test, video)] for other in known[_sizes(files)])
    )


def _looked_at(dataset: Dataset, video: Video) -> tuple[Path, ...]:
    root, last = image_root_of(dataset), video.length - 1
    return tuple(root / video.file_names[index] for index in (0, last // 2, last))


def _sizes(files: tuple[Path, ...]) -> tuple[int, ...]:
    try:
        return tuple(file.stat().st_size for file in files)
    except OSError as error:
        raise DataError(f"{error.filename}: cannot be read ({error.strerror}).") from None


def _same(files: tuple[Path, ...], other: tuple[Path, ...]) -> bool:
    return all(one == two or _hash(one) == _hash(two) for one, two in zip(files, other, strict=True))


def _hash(file: Path) -> str:
    try:
        return sha256(file.read_bytes())
    except OSError as error:
        raise DataError(f"{file}: cannot be read ({error.strerror}).") from None
