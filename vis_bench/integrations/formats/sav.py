"""SA-V: one JSON a video; `masklet[frame][object]` is an RLE, an empty one where the object is absent.

    {video_id, video_height, video_width, video_frame_count, masklet: [[RLE, ..], ..], masklet_id: [..]}

The annotated frames are every fourth one of the video. No classes, no scores.
Source: sam2, sav_dataset/README.md (masklet annotation format).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from vis_bench.data.bar import bar
from vis_bench.data.records import require_int, require_list, require_object
from vis_bench.data.ytvis import check_size, rle_record
from vis_bench.errors import DataError
from vis_bench.files import read_json, write_json
from vis_bench.integrations.formats.content import Content
from vis_bench.integrations.formats.frame_entries import Entry, gather
from vis_bench.integrations.formats.reference import find_video, made_video, only_class, safe_child
from vis_bench.masks.rle import area, encode
from vis_bench.types import Dataset, Video

_EVERY = 4
_SUFFIXES = ("_manual", "_auto")


def read(path: Path, reference: Dataset | None) -> Content:
    """A file or a folder of files. Raises DataError naming file and frame."""
    files = sorted(path.rglob("*.json")) if path.is_dir() else [path]
    classes, category_id = only_class(reference, str(path))
    videos: list[Video] = []
    entries: list[Entry] = []
    for number, file in enumerate(bar(files, "reading", "video"), start=1):
        record = require_object(read_json(file), str(file))
        video = _video(number, record, reference, file)
        videos.append(video)
        entries += _entries(record, video, category_id, str(file))
    known = tuple(reference.videos) if reference is not None else tuple(videos)
    objects, notes = gather(known, entries)
    return Content(known, classes, objects, notes=notes)


def _video(number: int, record: dict[str, Any], reference: Dataset | None, file: Path) -> Video:
    where = str(file)
    name = record.get("video_id")
    if not isinstance(name, str):
        name = file.stem
        for suffix in _SUFFIXES:
            name = name.removesuffix(suffix)
    if reference is not None:
        return find_video(name, reference, where)
    height = require_int(record, "video_height", where)
    width = require_int(record, "video_width", where)
    check_size(width, height, where)
    frames = len(require_list(record, "masklet", where))
    if not frames:
        raise DataError(f"{where}: `masklet` is empty.")
    names = [f"{name}/{_EVERY * frame:05d}.jpg" for frame in range(frames)]
    return made_video(number, name, width, height, names, where)


def _entries(record: dict[str, Any], video: Video, category_id: int, where: str) -> list[Entry]:
    frames = require_list(record, "masklet", where)
    if len(frames) != video.length:
        raise DataError(f"{where}: {len(frames)} annotated frames, the video has {video.length}.")
    ids = None if record.get("masklet_id") is None else require_list(record, "masklet_id", where)
    entries = []
    for frame, masks in enumerate(frames):
        if not isinstance(masks, list) or (ids is not None and len(ids) != len(masks)):
            raise DataError(f"{where}, frame {frame}: a list with one mask for each masklet is needed.")
        for place, mask in enumerate(masks):
            identity = ids[place] if ids is not None else place
            if not isinstance(identity, int) or isinstance(identity, bool) or abs(identity) >= 2**63:
                raise DataError(f"{where}: `masklet_id` holds {identity!r}, whole numbers are needed.")
            if mask is not None:
                here = f"{where}, frame {frame}, masklet {identity}"
                entries.append(Entry(video.id, identity, frame, category_id, mask, None, None, here))
    return entries


def write(content: Content, folder: Path) -> None:
    """Write a file for each video; absent objects have an empty mask."""
    for video in bar(content.videos, "writing", "video"):
        objects = content.of_video(video.id)
        empty = encode(np.zeros((video.height, video.width), bool))
        record = {
            "video_id": video.name,
            "video_height": video.height,
            "video_width": video.width,
            "video_frame_count": video.length,
            "masklet_num": len(objects),
            "masklet_id": [one.id for one in objects],
            "masklet_frame_count": [sum(map(one.in_frame, range(video.length))) for one in objects],
            "masklet_size_rel": [
                sum(area(mask) for mask in one.segmentations if mask is not None)
                / (video.height * video.width * max(1, sum(map(one.in_frame, range(video.length)))))
                for one in objects
            ],
            "masklet_type": "converted",
            "masklet": [
                [rle_record(one.segmentations[frame] or empty) for one in objects]
                for frame in range(video.length)
            ],
        }
        write_json(safe_child(folder, video.name, ".json"), record, indent=None)
