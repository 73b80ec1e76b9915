"""Videos without annotations: video files, folders of frames, or patterns of either, as one data set."""

from __future__ import annotations

import glob
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from vis_bench.data.frames import load_frame
from vis_bench.data.splits import split_hash
from vis_bench.data.video_files import SUFFIXES, read_video_frames, video_facts
from vis_bench.errors import DataError
from vis_bench.types import Category, Dataset, Video

PICTURES = (".jpg", ".jpeg", ".png", ".bmp", ".webp")
FOLDER_RATE = Fraction(6)
"""Frames per second of an overlay of a folder, which says none: that of YouTube-VIS's annotated frames."""


@dataclass(frozen=True, slots=True)
class Source:
    """One video and where its frames come from. files: pictures in order, empty for a video file."""

    video: Video
    path: Path
    files: tuple[Path, ...]
    rate: Fraction

    def frames(self) -> Iterator[np.ndarray]:
        """The frames in order, [H, W, 3] uint8 RGB, read one at a time. Raises DataError."""
        if not self.files:
            yield from read_video_frames(self.path)
            return
        for file in self.files:
            yield load_frame(file.parent, file.name, (self.video.height, self.video.width))


def find_sources(given: Sequence[str]) -> tuple[Source, ...]:
    """The videos behind paths and patterns, sorted within a pattern, numbered from 1.

    A folder is one video where it holds pictures, else each of its video files and folders of pictures is
    one.
    Raises DataError for a path without a video, and for two videos of one name.
    """
    found: list[Source] = []
    for text in given:
        paths = [Path(text)] if Path(text).exists() else [Path(one) for one in sorted(glob.glob(text))]
        new = [source for path in paths for source in _sources(path, len(found))]
        if not new:
            raise DataError(
                f"{text}: no video here. A video file ({', '.join(SUFFIXES)}), a folder of frames, or a "
                "pattern "
                "of either is needed."
            )
        for source in new:
            found.append(_numbered(source, len(found) + 1))
    names = [source.video.name for source in found]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise DataError(
            f"{twice}: two videos have this name; their results could not be told apart. Rename one."
        )
    return tuple(found)


def _numbered(source: Source, number: int) -> Source:
    video = source.video
    own = Video(number, video.name, video.width, video.height, video.file_names)
    return Source(own, source.path, source.files, source.rate)


def _sources(path: Path, before: int) -> list[Source]:
    if path.is_file():
        return [_of_file(path)] if path.suffix.lower() in SUFFIXES else []
    if not path.is_dir():
        return []
    if _pictures(path):
        return [_of_folder(path)]
    inside = sorted(path.iterdir())
    files = [_of_file(one) for one in inside if one.is_file() and one.suffix.lower() in SUFFIXES]
    return [*files, *(_of_folder(one) for one in inside if one.is_dir() and _pictures(one))]


def _pictures(folder: Path) -> tuple[Path, ...]:
    return tuple(sorted(one for one in folder.iterdir() if one.suffix.lower() in PICTURES and one.is_file()))


def _of_file(path: Path) -> Source:
    facts = video_facts(path)
    names = tuple(f"{path.stem}/{frame:06d}.jpg" for frame in range(facts.frames))
    return Source(Video(0, path.stem, facts.width, facts.height, names), path, (), facts.rate)


def _of_folder(folder: Path) -> Source:
    files = _pictures(folder)
    height, width = load_frame(folder, files[0].name).shape[:2]
    name = folder.resolve().name
    names = tuple(f"{name}/{file.name}" for file in files)
    return Source(Video(0, name, width, height, names), folder, files, FOLDER_RATE)


def as_dataset(sources: Sequence[Source], class_names: Sequence[str]) -> Dataset:
    """The videos as a data set without truth and without frames of its own; classes have ids 1, 2, ..."""
    return Dataset(
        name="videos",
        split="unlabelled",
        videos=tuple(source.video for source in sources),
        categories=tuple(Category(number, name) for number, name in enumerate(class_names, start=1)),
        tracks=None,
        image_root=None,
        annotation_hash="",
        split_hash=split_hash(source.video.name for source in sources),
    )
