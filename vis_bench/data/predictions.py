"""Predictions in the YouTube-VIS results format: a JSON list of tracks.

    {video_id, category_id, score, segmentations: [RLE | null, ..],
     bboxes: [[x, y, width, height] | null, ..]}

`bboxes` (original pixels) is an extension for methods that predict boxes and no masks; such a track leaves
`segmentations` out. The official evaluator silently cuts lists to the video's length, drops unknown
categories and ranks NaN scores somewhere; here each of them is an error.
Source: YouTube-VIS challenge page (submission format); evaluator facts (silent faults of the official code).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from vis_bench.data.lifted import parse_lifted
from vis_bench.data.records import (
    paused_garbage_collection,
    read_boxes,
    require,
    require_int,
    require_length,
    require_list,
    require_masks,
    require_object,
)
from vis_bench.data.segmentations import SegmentationBatch, is_finite_number
from vis_bench.data.ytvis import rle_record
from vis_bench.errors import DataError
from vis_bench.files import atomic_path, dump_json, parse_json, read_bytes, write_json
from vis_bench.masks.boxes import is_usable
from vis_bench.masks.mask_text import MaskRow
from vis_bench.types import Box, Dataset, IouType, Track, Video


def read_results(
    path: Path,
    dataset: Dataset,
    ignore_unknown_categories: bool = False,
    iou_type: IouType | None = None,
) -> list[Track]:
    """Read and validate a results file, plain or gzip, against the videos and categories of a dataset.

    Returns the tracks in file order, which decides between equal scores. Raises DataError as parse_results.
    """
    raw = read_bytes(path)
    with paused_garbage_collection():
        payload = parse_lifted(raw, str(path))
        payload = parse_json(raw, str(path)) if payload is None else payload
        return parse_results(payload, dataset, str(path), ignore_unknown_categories, iou_type)


def parse_results(
    payload: object,
    dataset: Dataset,
    where: str,
    ignore_unknown_categories: bool = False,
    iou_type: IouType | None = None,
) -> list[Track]:
    """Validate parsed results; `where` names their origin in errors. The payload is not changed.

    ignore_unknown_categories drops tracks of categories that the dataset does not have. iou_type: what is to
    be scored, None to take any. An empty list is valid. Raises DataError for anything but a list, missing
    keys, unknown videos or categories, scores that are no finite numbers, lists that are not as long as the
    video, masks of another size than the video, masks whose runs do not fill the image exactly, boxes of
    negative size, and where there is nothing of the wanted iou_type: for `bbox` in any track, for `segm` in
    the whole list. Broken boxes beside masks are left out where masks are to be scored.
    """
    if not isinstance(payload, list):
        keys = f" with keys {', '.join(map(str, payload))}" if isinstance(payload, dict) else ""
        raise DataError(
            f"{where}: results must be a JSON list of tracks, found {type(payload).__name__}{keys}. "
            "Write [{video_id, category_id, score, segmentations}, ...]."
        )

    def place(i: int) -> str:
        return f"{where}, entry {i}"

    batch = SegmentationBatch(lambda i, frame: f"{place(i)} (video {payload[i]['video_id']}), frame {frame}")
    category_ids = {category.id for category in dataset.categories}
    parts: list[tuple[Video, int, float, list[int | None] | MaskRow, tuple[Box | None, ...] | None]] = []
    for i, value in enumerate(payload):
        record = require_object(value, place(i))
        video = dataset.video_by_id.get(require_int(record, "video_id", place(i)))
        if video is None:
            raise DataError(
                f"{place(i)}: video {record['video_id']} is not in {dataset.name} {dataset.split}. "
                "Were the results made on another split?"
            )
        category_id = require_int(record, "category_id", place(i))
        if category_id not in category_ids:
            if ignore_unknown_categories:
                continue
            raise DataError(
                f"{place(i)}: category {category_id} is not in {dataset.name}. Use the ids of the annotation "
                "file (they usually start at 1), or take such tracks out of the file (`vis-bench eval "
                "--ignore-unknown-categories` scores without them)."
            )
        score = require(record, "score", place(i))
        if not is_finite_number(score):
            raise DataError(f"{place(i)}: `score` must be a finite number, found {score!r}.")
        boxes = None
        if record.get("bboxes") is not None:
            # beside masks that are scored, boxes are not used, whatever stands in them
            unused = iou_type == "segm" and record.get("segmentations") is not None
            boxes = _boxes(record, video, place(i), unused)
        elif iou_type == "bbox":
            raise DataError(
                f"{place(i)}: has no `bboxes`, so it cannot be scored on boxes. Write one [x, y, width, "
                "height] or null per frame, or score masks: vis-bench eval --iou-type segm."
            )
        parts.append((video, category_id, float(score), _add_masks(batch, record, video, i, place(i)), boxes))
    rles, _ = batch.finish()
    if iou_type == "segm" and parts and all(boxes and not any_mask(slots) for *_, slots, boxes in parts):
        raise DataError(
            f"{where}: holds boxes and not one mask, so it cannot be scored on masks. Score the boxes: "
            "vis-bench eval --iou-type bbox."
        )
    return [
        Track(
            video_id=video.id,
            category_id=category_id,
            score=score,
            segmentations=slots
            if isinstance(slots, MaskRow)
            else tuple([None if slot is None else rles[slot] for slot in slots]),
            boxes=boxes,
        )
        for video, category_id, score, slots, boxes in parts
    ]


def write_results(path: Path, tracks: Iterable[Track]) -> None:
    """Write tracks in the results format, atomically; gzip when the name ends in `.gz`.

    Without gzip the text of one track is held at a time. Raises ValueError for a score that is not finite.
    """
    if path.suffix == ".gz":
        write_json(path, [result_record(track) for track in tracks], indent=None)
        return
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        file.write(b"[")
        for number, track in enumerate(tracks):
            file.write((", " if number else "").encode() + dump_json(result_record(track)).encode())
        file.write(b"]\n")


def result_record(track: Track) -> dict[str, Any]:
    """One track as the results format holds it, ready for JSON; one of boxes only has no `segmentations`."""
    record: dict[str, Any] = {
        "video_id": track.video_id,
        "category_id": track.category_id,
        "score": float(track.score),
    }
    if track.boxes is None or any_mask(track.segmentations):
        record["segmentations"] = [rle_record(rle) for rle in track.segmentations]
    if track.boxes is not None:
        record["bboxes"] = [None if box is None else [float(number) for number in box] for box in track.boxes]
    return record


def any_mask(segmentations: Sequence[object | None]) -> bool:
    """Whether a track has a mask in any frame."""
    return any(segmentation is not None for segmentation in segmentations)


def _boxes(record: dict[str, Any], video: Video, where: str, unused: bool) -> tuple[Box | None, ...] | None:
    """The boxes of one track; None for broken ones that are not used."""
    try:
        box_list = require_list(record, "bboxes", where)
        require_length(box_list, video.length, "bboxes", where)
        return _read_usable_boxes(box_list, where)
    except DataError:
        if not unused:
            raise
        return None


def _read_usable_boxes(values: list[Any], where: str) -> tuple[Box | None, ...]:
    boxes = read_boxes(values, where)
    for frame, box in enumerate(boxes):
        if box is not None and not is_usable(box):
            raise DataError(f"{where}, frame {frame}: a box has no negative width or height, found {box}.")
    return boxes


def _add_masks(
    batch: SegmentationBatch, record: dict[str, Any], video: Video, i: int, where: str
) -> list[int | None] | MaskRow:
    if record.get("segmentations") is None and record.get("bboxes") is not None:
        return [None] * video.length
    segmentations = require_masks(record, where)
    require_length(segmentations, video.length, "segmentations", where)
    return batch.add_track(segmentations, video, i)
