"""The YouTube-VIS annotation format: one JSON file with `videos`, `categories` and `annotations`.

    video       {id, width, height, file_names: [..], length (optional)}
    category    {id, name}
    annotation  {id, video_id, category_id, iscrowd, segmentations: [RLE | polygons | null, ..],
                 bboxes: [[x, y, width, height] | null, ..], areas: [pixels | null, ..]}

The three lists of an annotation have one entry per frame of its video. Fields of an annotation that are not
named here are kept as they are (`TruthTrack.extra`); all others are ignored.
Source: YouTube-VIS challenge page (format description); specification 0.2 (data facts).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vis_bench.data.official import hides_truth
from vis_bench.data.records import (
    paused_garbage_collection,
    read_boxes,
    read_json_and_hash,
    require_int,
    require_length,
    require_list,
    require_masks,
    require_object,
    require_text,
)
from vis_bench.data.segmentations import SegmentationBatch, are_finite_numbers, is_finite_number
from vis_bench.data.splits import split_hash
from vis_bench.errors import DataError
from vis_bench.files import PIXELS_VARIABLE, most_pixels, read_json, write_json
from vis_bench.masks.mask_text import MaskRow
from vis_bench.masks.rle import tight_box
from vis_bench.types import Category, Dataset, Rle, TruthTrack, Video

_FIELDS = frozenset({"id", "video_id", "category_id", "iscrowd", "segmentations", "bboxes", "areas"})
# What a JPEG can hold; keeps every pixel count far inside 64 bits.
_LONGEST_SIDE_PIXELS = 65_535


def read_dataset(annotations: Path, image_root: Path | None, name: str, split: str) -> Dataset:
    """Read and validate an annotation file, plain or gzip.

    image_root: folder to which `file_names` are relative, None to score without frames. name, split: what the
    dataset is called; they also decide whether the truth is public: `tracks` is None when the file has no
    `annotations` (or null), and for an official validation or test set (ytvis19, ytvis21, ovis; `valid`,
    `test`) also when the list is empty. Everywhere else an empty list is truth without objects.

    Segmentations of any form become compressed RLE. Boxes and areas that a file leaves out altogether, or has
    as null, are measured on the masks; an annotation of boxes alone has no mask in any frame. Categories are
    ordered by id, whatever the order of the file, so that labels do not depend on it. annotation_hash is
    that of the uncompressed text.

    Raises DataError, naming file, record and repair, for everything that is not as described above.
    Source: YouTube-VIS format; evaluator facts 1, 2 and 9.
    """
    with paused_garbage_collection():
        payload, annotation_hash = read_json_and_hash(annotations)
        return parse_dataset(payload, str(annotations), image_root, name, split, annotation_hash)


def parse_dataset(
    payload: object, where: str, image_root: Path | None, name: str, split: str, annotation_hash: str
) -> Dataset:
    """Validate parsed annotations; `where` names their origin in errors. As `read_dataset` otherwise."""
    if isinstance(payload, list):
        raise DataError(
            f"{where}: is a list, an annotation file is an object with `videos`, `categories` and "
            "`annotations`. A list is a results file: score it with `vis-bench eval`."
        )
    record = require_object(payload, where)
    videos = read_videos(require_list(record, "videos", where), where)
    categories = read_categories(require_list(record, "categories", where), where)
    tracks = None
    truth = record.get("annotations")
    if truth is not None and not (truth == [] and hides_truth(name, split)):
        tracks = read_tracks(require_list(record, "annotations", where), videos, categories, where)
    return Dataset(
        name=name,
        split=split,
        videos=videos,
        categories=categories,
        tracks=tracks,
        image_root=image_root,
        annotation_hash=annotation_hash,
        split_hash=split_hash(video.name for video in videos),
    )


def read_video_names(annotations: Path) -> list[str]:
    """Folder names of the videos of an annotation file, without reading its masks into a dataset.

    Raises DataError as read_dataset for what concerns the videos.
    """
    where = str(annotations)
    record = require_object(read_json(annotations), where)
    return [video.name for video in read_videos(require_list(record, "videos", where), where)]


def write_annotations(path: Path, dataset: Dataset) -> None:
    """Write a dataset in the YouTube-VIS format, atomically; gzip when the name ends in `.gz`.

    Without truth (`tracks` None) the key `annotations` is left out.
    """
    payload: dict[str, Any] = {
        "info": {"description": f"{dataset.name} {dataset.split}"},
        "videos": [
            {
                "id": video.id,
                "width": video.width,
                "height": video.height,
                "length": video.length,
                "file_names": list(video.file_names),
            }
            for video in dataset.videos
        ],
        "categories": [{"id": category.id, "name": category.name} for category in dataset.categories],
    }
    if dataset.tracks is not None:
        payload["annotations"] = [_track_record(track) for track in dataset.tracks]
    write_json(path, payload, indent=None)


def rle_record(rle: Rle | None) -> dict[str, Any] | None:
    """An RLE as JSON holds it: counts as text."""
    return None if rle is None else {"size": list(rle["size"]), "counts": rle["counts"].decode("ascii")}


def _track_record(track: TruthTrack) -> dict[str, Any]:
    return {
        "id": track.id,
        "video_id": track.video_id,
        "category_id": track.category_id,
        "iscrowd": int(track.is_crowd),
        "segmentations": [rle_record(rle) for rle in track.segmentations],
        "bboxes": [None if box is None else list(box) for box in track.boxes],
        "areas": list(track.areas),
    }


def read_videos(records: list[Any], file: str) -> tuple[Video, ...]:
    """Validate the list `videos`. Raises DataError as read_dataset."""
    if not records:
        raise DataError(f"{file}: `videos` is empty. A data set needs at least one video.")
    videos: dict[int, Video] = {}
    for i, value in enumerate(records):
        record = require_object(value, f"{file}, videos[{i}]")
        video_id = require_int(record, "id", f"{file}, videos[{i}]")
        where = f"{file}, video {video_id}"
        if video_id in videos:
            raise DataError(f"{where}: the id occurs twice in `videos`. Ids must be unique.")
        width, height = require_int(record, "width", where), require_int(record, "height", where)
        check_size(width, height, where)
        names = require_list(record, "file_names", where)
        if not names:
            raise DataError(f"{where}: has no frames (`file_names` is empty). Remove the video.")
        if record.get("length") is not None and record["length"] != len(names):
            raise DataError(
                f"{where}: `length` is {record['length']!r}, `file_names` has {len(names)} entries. "
                "Correct whichever is wrong."
            )
        for name in names:
            check_file_name(name, where)
        folder = names[0].rpartition("/")[0]
        videos[video_id] = Video(video_id, folder or str(video_id), width, height, tuple(names))
    return tuple(videos.values())


def check_size(width: int, height: int, where: str) -> None:
    """Raise DataError for a size in pixels that no image can have."""
    if not (0 < width <= _LONGEST_SIDE_PIXELS and 0 < height <= _LONGEST_SIDE_PIXELS):
        raise DataError(
            f"{where}: size {width}x{height} must lie within 1..{_LONGEST_SIDE_PIXELS} pixels a side."
        )
    if width * height > most_pixels():
        raise DataError(
            f"{where}: claims {width}x{height} pixels, more than the limit of {most_pixels():,}. "
            f"{PIXELS_VARIABLE}=PIXELS raises it."
        )


def check_file_name(name: object, where: str) -> None:
    """Raise DataError for a frame name that is no text or leads outside the image folder."""
    if not isinstance(name, str) or not name:
        raise DataError(f"{where}: every entry of `file_names` must be text, found {name!r}.")
    if "\\" in name or "\0" in name:
        raise DataError(f"{where}: file name {name!r} must use `/` between folders.")
    if name.startswith("/") or name[1:2] == ":" or (".." in name and ".." in name.split("/")):
        raise DataError(
            f"{where}: file name {name!r} leads outside the image folder. "
            "Write names relative to the image folder, such as `video/00000.jpg`."
        )


def read_categories(records: list[Any], file: str) -> tuple[Category, ...]:
    """Validate the list `categories`, ordered by id. Raises DataError as read_dataset."""
    if not records:
        raise DataError(f"{file}: `categories` is empty. List every class with `id` and `name`.")
    categories: dict[int, Category] = {}
    id_of_name: dict[str, int] = {}
    for i, value in enumerate(records):
        where = f"{file}, categories[{i}]"
        record = require_object(value, where)
        category_id = require_int(record, "id", where)
        if category_id in categories:
            raise DataError(f"{file}, category {category_id}: the id occurs twice in `categories`.")
        name = require_text(record, "name", where)
        if name in id_of_name:
            raise DataError(
                f"{file}, category {category_id}: is named {name!r} like category {id_of_name[name]}. "
                "Results are kept by name: rename one, or make them one category."
            )
        id_of_name[name] = category_id
        categories[category_id] = Category(category_id, name)
    return tuple(categories[key] for key in sorted(categories))


def read_tracks(
    records: list[Any], videos: tuple[Video, ...], categories: tuple[Category, ...], file: str
) -> tuple[TruthTrack, ...]:
    """Validate the list `annotations`. Raises DataError as read_dataset."""
    video_by_id = {video.id: video for video in videos}
    category_ids = {category.id for category in categories}

    def place(i: int) -> str:
        return f"{file}, annotation {records[i].get('id', f'number {i}')}"

    batch = SegmentationBatch(lambda i, frame: f"{place(i)}, frame {frame}")
    seen: set[int] = set()
    slots: list[list[int | None] | MaskRow] = []
    for i, value in enumerate(records):
        record = require_object(value, f"{file}, annotations[{i}]")
        where = place(i)
        track_id = require_int(record, "id", where)
        if track_id in seen:
            raise DataError(f"{where}: the id occurs twice in `annotations`. Ids must be unique.")
        seen.add(track_id)
        video = video_by_id.get(require_int(record, "video_id", where))
        if video is None:
            raise DataError(f"{where}: video {record['video_id']} is not in `videos`.")
        if require_int(record, "category_id", where) not in category_ids:
            raise DataError(f"{where}: category {record['category_id']} is not in `categories`.")
        if record.get("iscrowd", 0) not in (0, 1):
            raise DataError(f"{where}: `iscrowd` must be 0 or 1, found {record['iscrowd']!r}.")
        if record.get("segmentations") is None and record.get("bboxes") is not None:
            # truth of boxes alone
            segmentations: list[Any] | MaskRow = [None] * video.length
        else:
            segmentations = require_masks(record, where)
        require_length(segmentations, video.length, "segmentations", where)
        slots.append(batch.add_track(segmentations, video, i))
    rles, areas = batch.finish()
    tracks = []
    for i, (record, own) in enumerate(zip(records, slots, strict=True)):
        masks: tuple[Rle | None, ...] | MaskRow
        if isinstance(own, MaskRow):
            masks, measured = own, own.areas().tolist()
        else:
            masks = tuple([None if slot is None else rles[slot] for slot in own])
            measured = [0 if slot is None else areas[slot] for slot in own]
        tracks.append(_track(record, masks, measured, place(i)))
    return tuple(tracks)


def _track(
    record: dict[str, Any],
    segmentations: tuple[Rle | None, ...] | MaskRow,
    measured_areas: Sequence[float],
    where: str,
) -> TruthTrack:
    length = len(segmentations)
    if record.get("bboxes") is not None:
        values = require_list(record, "bboxes", where)
        require_length(values, length, "bboxes", where)
        boxes = read_boxes(values, where)
    else:
        boxes = tuple(None if rle is None else tight_box(rle) for rle in segmentations)
    if record.get("areas") is not None:
        values = require_list(record, "areas", where)
        require_length(values, length, "areas", where)
        areas = _read_areas(values, where)
    else:
        areas = tuple(
            None if rle is None else float(area)
            for rle, area in zip(segmentations, measured_areas, strict=True)
        )
    return TruthTrack(
        id=int(record["id"]),
        video_id=int(record["video_id"]),
        category_id=int(record["category_id"]),
        is_crowd=bool(record.get("iscrowd", 0)),
        segmentations=segmentations,
        boxes=boxes,
        areas=areas,
        extra={key: value for key, value in record.items() if key not in _FIELDS},
    )


def _read_areas(values: list[Any], where: str) -> tuple[float | None, ...]:
    present = [area for area in values if area is not None]
    if not are_finite_numbers(present) or min(present, default=0) < 0:
        for frame, area in enumerate(values):
            if area is not None and (not is_finite_number(area) or area < 0):
                raise DataError(
                    f"{where}, frame {frame}: an area must be a number of pixels or null, found {area!r}."
                )
    return tuple(values)
