"""What a file of any format holds, in one shape: videos, classes, objects with a mask or box per frame."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from vis_bench.data.splits import split_hash
from vis_bench.errors import DataError
from vis_bench.masks.rle import area, tight_box
from vis_bench.types import Box, Category, Dataset, Rle, Track, TruthTrack, Video

ONLY_CLASS = Category(1, "object")
"""The class of what comes from a format without classes."""


@dataclass(frozen=True, slots=True)
class Object:
    """One object of one video. score: None where the file has none. segmentations, boxes: one entry per
    frame,
    None where absent; boxes (x, y, width, height in pixels) only where the file has boxes and no masks.
    """

    id: int
    video_id: int
    category_id: int
    score: float | None
    segmentations: tuple[Rle | None, ...]
    boxes: tuple[Box | None, ...] | None = None
    is_crowd: bool = False

    def in_frame(self, frame: int) -> bool:
        """Whether the object is there in a frame (0-based)."""
        return self.segmentations[frame] is not None or bool(self.boxes and self.boxes[frame] is not None)


@dataclass(frozen=True, slots=True)
class Content:
    """Everything that a file holds. has_videos: the file itself lists its videos (a results file does not).

    notes: what was in the file and is not here, one sentence each.
    """

    videos: tuple[Video, ...]
    categories: tuple[Category, ...]
    objects: tuple[Object, ...]
    has_videos: bool = True
    notes: tuple[str, ...] = ()

    @property
    def has_scores(self) -> bool:
        """Whether any object has a score."""
        return any(one.score is not None for one in self.objects)

    @property
    def has_masks(self) -> bool:
        """Whether any object has a mask."""
        return any(mask is not None for one in self.objects for mask in one.segmentations)

    def of_video(self, video_id: int) -> list[Object]:
        """The objects of a video, in order."""
        return [one for one in self.objects if one.video_id == video_id]

    def painted(self, video_id: int) -> list[Object]:
        """The objects of a video, those that win where masks overlap last: by score, then the first ones."""
        order = sorted(enumerate(self.of_video(video_id)), key=lambda pair: (pair[1].score or 0.0, -pair[0]))
        return [one for _, one in order]


def without_empty(segmentations: Iterable[Rle | None]) -> tuple[Rle | None, ...]:
    """Absence has one meaning: an empty mask becomes None."""
    return tuple([None if rle is None or not _pixels(rle) else rle for rle in segmentations])


def _pixels(rle: Rle) -> int:
    return rle["area"] if "area" in rle else area(rle)


def as_dataset(content: Content, name: str, split: str, annotation_hash: str) -> Dataset:
    """Content as truth. Scores are left out; boxes and areas are measured on masks where there are masks.

    annotation_hash: of the file that it was read from.
    """
    return Dataset(
        name=name,
        split=split,
        videos=content.videos,
        categories=content.categories,
        tracks=tuple(_truth_track(one) for one in content.objects),
        image_root=None,
        annotation_hash=annotation_hash,
        split_hash=split_hash(video.name for video in content.videos),
    )


def _truth_track(one: Object) -> TruthTrack:
    boxes = one.boxes or tuple(None if rle is None else tight_box(rle) for rle in one.segmentations)
    measured = [None if rle is None else float(_pixels(rle)) for rle in one.segmentations]
    areas = tuple(
        # an object of boxes alone is as large as its box
        size if size is not None or box is None else box[2] * box[3]
        for size, box in zip(measured, boxes, strict=True)
    )
    return TruthTrack(
        id=one.id,
        video_id=one.video_id,
        category_id=one.category_id,
        is_crowd=one.is_crowd,
        segmentations=one.segmentations,
        boxes=boxes,
        areas=areas,
    )


def as_tracks(content: Content) -> list[Track]:
    """Content as predictions; an object without a score has 1."""
    return [
        Track(
            video_id=one.video_id,
            category_id=one.category_id,
            score=1.0 if one.score is None else one.score,
            segmentations=one.segmentations,
            boxes=one.boxes,
        )
        for one in content.objects
    ]


def truth_content(dataset: Dataset) -> Content:
    """The truth of a data set as content. Raises DataError where it is hidden."""
    if dataset.tracks is None:
        raise DataError(
            f"{dataset.name} {dataset.split}: has no annotations, so there is nothing to convert."
        )
    objects = []
    for track in dataset.tracks:
        masks = without_empty(track.segmentations)
        only_boxes = not any(masks) and any(box is not None for box in track.boxes)
        objects.append(
            Object(
                id=track.id,
                video_id=track.video_id,
                category_id=track.category_id,
                score=None,
                segmentations=masks,
                boxes=tuple(track.boxes) if only_boxes else None,
                is_crowd=track.is_crowd,
            )
        )
    return Content(tuple(dataset.videos), dataset.categories, tuple(objects))


def results_content(tracks: Sequence[Track], dataset: Dataset) -> Content:
    """Predictions on a data set as content; objects are numbered from 1 in the order of the file."""
    objects = tuple(
        Object(
            id=number,
            video_id=track.video_id,
            category_id=track.category_id,
            score=track.score,
            segmentations=without_empty(track.segmentations),
            boxes=track.boxes,
        )
        for number, track in enumerate(tracks, start=1)
    )
    return Content(tuple(dataset.videos), dataset.categories, objects, has_videos=False)


def with_unique_ids(objects: Sequence[Object]) -> tuple[Object, ...]:
    """Objects as they are where every id occurs once, else numbered from 1 in their order."""
    counts = Counter(one.id for one in objects)
    if all(count == 1 for count in counts.values()):
        return tuple(objects)
    return tuple(replace(one, id=number) for number, one in enumerate(objects, start=1))
