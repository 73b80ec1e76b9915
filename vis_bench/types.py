"""The few plain types that everything passes around. Imports neither torch nor pycocotools."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, NotRequired, Self, TypedDict


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

    segmentations, boxes, areas have one entry per frame, None where the object is absent. boxes: (x, y,
    width, height) in pixels. areas: pixels, as written in the file. extra: further fields of the annotation
    as the file has them, such as OVIS's `occlusion`, one word per frame.
    """

    id: int
    video_id: int
    category_id: int
    is_crowd: bool
    segmentations: Sequence[Rle | None]
    boxes: tuple[Box | None, ...]
    areas: tuple[float | None, ...]
    extra: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)

    def in_frames(self, frames: Sequence[int]) -> TruthTrack:
        """The track in these frames (0-based) alone, in this order; without its extra fields."""
        return replace(
            self,
            segmentations=tuple([self.segmentations[frame] for frame in frames]),
            boxes=tuple([self.boxes[frame] for frame in frames]),
            areas=tuple([self.areas[frame] for frame in frames]),
            extra={},
        )


@dataclass(frozen=True, slots=True)
class Track:
    """One predicted object of one video, as a results file holds it.

    score: finite, higher is better. segmentations: one entry per frame, None where absent, at the
    original size. boxes (x, y, width, height) only for methods that predict boxes and no masks.
    """

    video_id: int
    category_id: int
    score: float
    segmentations: Sequence[Rle | None]
    boxes: tuple[Box | None, ...] | None = None


class VideosOnDemand(Sequence[Video]):
    """Videos that are read when they are looked at, and anew each time."""

    @abstractmethod
    def only(self, video_ids: frozenset[int]) -> Self:
        """Those with these ids, in the same order."""


class TracksOnDemand(Sequence[TruthTrack]):
    """Truth tracks that are read when they are looked at, and anew each time."""

    @abstractmethod
    def only(self, video_ids: frozenset[int]) -> Self:
        """Those of these videos, in the same order."""

    @abstractmethod
    def by_video(self, video_ids: Iterable[int]) -> Mapping[int, tuple[TruthTrack, ...]]:
        """The tracks of each of these videos, in the same order, read when a video is looked up."""

    @abstractmethod
    def in_frames(self, video_id: int, frames: Sequence[int]) -> tuple[TruthTrack, ...]:
        """`TruthTrack.in_frames` of the tracks of one video; other frames are not read."""

    @abstractmethod
    def shown_categories(self) -> Iterable[int]:
        """Category id of each track that is no crowd and has a pixel; reads no mask."""

    @abstractmethod
    def shown_frames(self) -> Iterable[tuple[int, Sequence[int]]]:
        """(video id, frames in which the mask has a pixel) of each track that is no crowd; reads no mask."""


@dataclass(frozen=True)
class Dataset:
    """Videos of one split, with their truth where it is public.

    videos and tracks are tuples, or read on demand from a packed store; two data sets of the same content are
    equal either way. tracks is None where the truth is hidden (official validation sets). image_root is None
    for a truth file used for scoring only. annotation_hash: SHA-256 of the annotation file's uncompressed
    text; split_hash: SHA-256 of the sorted video names of this split.
    """

    name: str
    split: str
    videos: Sequence[Video]
    categories: tuple[Category, ...]
    tracks: Sequence[TruthTrack] | None
    image_root: Path | None
    annotation_hash: str
    split_hash: str

    def __getstate__(self) -> dict[str, Any]:
        """What is pickled: the fields, not what was computed from them."""
        return {one.name: getattr(self, one.name) for one in fields(self)}

    @cached_property
    def video_by_id(self) -> Mapping[int, Video]:
        """Videos by their id."""
        return MappingProxyType({video.id: video for video in self.videos})

    @cached_property
    def tracks_by_video(self) -> Mapping[int, tuple[TruthTrack, ...]]:
        """Truth tracks by video id, in file order; every video has an entry."""
        if isinstance(self.tracks, TracksOnDemand):
            return self.tracks.by_video(video.id for video in self.videos)
        grouped: dict[int, list[TruthTrack]] = {video.id: [] for video in self.videos}
        for track in self.tracks or ():
            grouped[track.video_id].append(track)
        return MappingProxyType({key: tuple(value) for key, value in grouped.items()})

    def tracks_in_frames(self, video_id: int, frames: Sequence[int]) -> tuple[TruthTrack, ...]:
        """The truth tracks of a video in these frames (0-based) alone, in file order."""
        if isinstance(self.tracks, TracksOnDemand):
            return self.tracks.in_frames(video_id, frames)
        return tuple([track.in_frames(frames) for track in self.tracks_by_video[video_id]])

    @cached_property
    def label_of_category(self) -> Mapping[int, int]:
        """Contiguous label 0..C-1 of each category id, in the order of `categories`."""
        return MappingProxyType({category.id: i for i, category in enumerate(self.categories)})
