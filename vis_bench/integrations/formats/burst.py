"""BURST: JSON with `sequences`; RLE per annotated frame by track id, the class of a track beside them.

    sequence  {dataset, seq_name, width, height, annotated_image_paths: [..],
               segmentations: [{track id: {rle, is_gt | score}}, ..], track_category_ids: {track id: class}}

Track ids count within a sequence. A video is called `dataset/seq_name`.
Source: BURST benchmark, annotation format (README of its API).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from vis_bench.data.records import require, require_int, require_list, require_object, require_text
from vis_bench.data.segmentations import is_finite_number
from vis_bench.data.ytvis import read_categories, read_videos
from vis_bench.errors import DataError
from vis_bench.files import write_json
from vis_bench.integrations.formats.content import Content
from vis_bench.integrations.formats.frame_entries import Entry, gather
from vis_bench.integrations.formats.reference import find_video
from vis_bench.types import Dataset, Video

_LONGEST_ID = 18


def read(payload: Any, where: str, reference: Dataset | None) -> Content:
    """A parsed file. Raises DataError for what is missing or does not fit together."""
    record = require_object(payload, where)
    sequences = [
        require_object(value, f"{where}, sequences[{i}]")
        for i, value in enumerate(require_list(record, "sequences", where))
    ]
    own = read_videos([_video_record(one, i, where) for i, one in enumerate(sequences)], where)
    classes = (
        read_categories(require_list(record, "categories", where), where)
        if reference is None
        else reference.categories
    )
    known = {category.id for category in classes}
    entries: list[Entry] = []
    partly = 0
    for sequence, video in zip(sequences, own, strict=True):
        target = video if reference is None else find_video(video.name, reference, where)
        if target.length != video.length:
            raise DataError(
                f"{where}, {video.name}: {video.length} annotated frames, the truth has {target.length}."
            )
        entries += _entries(sequence, video, target, known, where)
        partly += bool(sequence.get("not_exhaustive_category_ids"))
    videos = tuple(reference.videos) if reference is not None else own
    objects, notes = gather(videos, entries)
    if partly:
        notes = (*notes, f"{partly} sequences have classes that are not labelled exhaustively; that is lost.")
    return Content(videos, classes, objects, notes=notes)


def _video_record(sequence: dict[str, Any], number: int, where: str) -> dict[str, Any]:
    at = f"{where}, sequences[{number}]"
    name = require_text(sequence, "seq_name", at)
    folder = f"{sequence['dataset']}/{name}" if sequence.get("dataset") else name
    frames = require_list(sequence, "annotated_image_paths", at)
    return {
        "id": number + 1,
        "width": require_int(sequence, "width", at),
        "height": require_int(sequence, "height", at),
        "file_names": [f"{folder}/{frame}" for frame in frames],
    }


def _entries(
    sequence: dict[str, Any], video: Video, target: Video, known: set[int], where: str
) -> list[Entry]:
    at = f"{where}, {video.name}"
    frames = require_list(sequence, "segmentations", at)
    if len(frames) != video.length:
        raise DataError(f"{at}: `segmentations` has {len(frames)} entries, {video.length} frames are named.")
    classes = require_object(require(sequence, "track_category_ids", at), at)
    entries = []
    for frame, value in enumerate(frames):
        for key, mask in require_object(value, f"{at}, frame {frame}").items():
            here = f"{at}, frame {frame}, track {key}"
            if not key.isdecimal() or len(key) > _LONGEST_ID:
                raise DataError(f"{here}: track ids are whole numbers.")
            category = None if classes.get(key) is None else require_int(classes, key, here)
            if category not in known:
                raise DataError(f"{here}: its class {category!r} in `track_category_ids` is no category.")
            # the challenge's own files have {"rle": ..}, results of its tools the text alone
            about = {"rle": mask} if isinstance(mask, str) else require_object(mask, here)
            score = about.get("score")
            if score is not None and not is_finite_number(score):
                raise DataError(f"{here}: `score` must be a finite number, found {score!r}.")
            number = None if score is None else float(score)
            rle = {"size": [video.height, video.width], "counts": require(about, "rle", here)}
            entries.append(Entry(target.id, int(key), frame, category, rle, None, number, here))
    return entries


def write(content: Content, path: Path) -> None:
    """Write BURST; scores of predictions stand beside the RLE."""
    write_json(
        path,
        {
            "sequences": [_sequence(content, video) for video in content.videos],
            "split": "converted",
            "categories": [{"id": category.id, "name": category.name} for category in content.categories],
        },
        indent=None,
    )


def _sequence(content: Content, video: Video) -> dict[str, Any]:
    dataset, _, name = video.name.rpartition("/")
    objects = content.of_video(video.id)
    paths = [file_name.removeprefix(f"{video.name}/") for file_name in video.file_names]
    frames: list[dict[str, Any]] = []
    for frame in range(video.length):
        found: dict[str, Any] = {}
        for one in objects:
            mask = one.segmentations[frame]
            if mask is not None:
                rest = {"is_gt": True} if one.score is None else {"score": one.score}
                found[str(one.id)] = {"rle": mask["counts"].decode("ascii"), **rest}
        frames.append(found)
    return {
        "dataset": dataset,
        "seq_name": name,
        "width": video.width,
        "height": video.height,
        "annotated_image_paths": paths,
        "all_image_paths": paths,
        "segmentations": frames,
        "track_category_ids": {str(one.id): one.category_id for one in objects},
    }
