"""The few plain types that everything passes around. Imports neither torch nor pycocotools."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Literal, NotRequired, TypedDict


class Rle(TypedDict):
    """A compressed COCO run-length mask as pycocotools takes it.

    size: [height, width] in pixels. counts: the compressed column-major runs (bytes). area: pixels, where
    they have been counted already.
    """

    size: list[int]
    counts: bytes
    area: NotRequired[int]


Box = tuple[float, float, float, float]
IouType = Literal["segm", "bbox"]
"""What a prediction is scored on: masks or boxes."""


@dataclass(frozen=True, slots=True)
class Category:
    """A class of objects. `id` is the dataset's own number; methods see the position in the list."""

    id: int
    name: str


@dataclass(frozen=True, slots=True)
class Video:
    """One video: its frames on disk (relative to the image root, `/` separated) and its size in pixels."""

    id: int
    name: str
    width: int
    height: int
    file_names: tuple[str, ...]

    @property
    def length(self) -> int:
        """Number of frames."""
        return len(self.file_names)


@dataclass(frozen=True, slots=True)
class TruthTrack:
    """One annotated object of one video.

    segmentations, boxes, areas have one entry per frame, None where the object is absent.
    boxes: (x, y, width, height) in pixels. areas: pixels, as written in the file.
    """

    id: int
    video_id: int
    category_id: int
    is_crowd: bool
    segmentations: tuple[Rle | None, ...]
    boxes: tuple[Box | None, ...]
    areas: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class Track:
    """One predicted object of one video, as a results file holds it.

    score: finite, higher is better. segmentations: one entry per frame, None where absent, at the
    original size. boxes (x, y, width, height) only for methods that predict boxes and no masks.
    """

    video_id: int
    category_id: int
    score: float
    segmentations: tuple[Rle | None, ...]
    boxes: tuple[Box | None, ...] | None = None


@dataclass(frozen=True)
class Dataset:
    """Videos of one split, with their truth where it is public.

    tracks is None where the truth is hidden (official validation sets). image_root is None for a
    truth file used for scoring only. annotation_hash: SHA-256 of the annotation file's
    uncompressed text; split_hash: SHA-256 of the sorted video names of this split.
    """

    name: str
    split: str
    videos: tuple[Video, ...]
    categories: tuple[Category, ...]
    tracks: tuple[TruthTrack, ...] | None
    image_root: Path | None
    annotation_hash: str
    split_hash: str

    @cached_property
    def video_by_id(self) -> Mapping[int, Video]:
        """Videos by their id."""
        return MappingProxyType({video.id: video for video in self.videos})

    @cached_property
    def tracks_by_video(self) -> Mapping[int, tuple[TruthTrack, ...]]:
        """Truth tracks by video id, in file order; every video has an entry."""
        grouped: dict[int, list[TruthTrack]] = {video.id: [] for video in self.videos}
        for track in self.tracks or ():
            grouped[track.video_id].append(track)
        return MappingProxyType({key: tuple(value) for key, value in grouped.items()})

    @cached_property
    def label_of_category(self) -> Mapping[int, int]:
        """Contiguous label 0..C-1 of each category id, in the order of `categories`."""
        return MappingProxyType({category.id: i for i, category in enumerate(self.categories)})
