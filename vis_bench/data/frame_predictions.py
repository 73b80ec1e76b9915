"""The detections of every frame before association, as `vis-bench run --keep-frames` stores them.

One JSON object per line, gzip: first the header, then the videos. Numbers are stored exactly, so that the
same rule gives the same tracks again. The format is described in docs/records.md.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np

from vis_bench.data.records import require, require_int, require_length, require_list, require_object
from vis_bench.data.segmentations import SegmentationBatch, is_absent
from vis_bench.data.ytvis import rle_record
from vis_bench.errors import DataError, MethodError
from vis_bench.files import read_bytes
from vis_bench.masks.rle import tight_box
from vis_bench.method import FrameDetection, FrameResult, RawDetections
from vis_bench.types import Dataset, IouType, Video

FRAMES_NAME = "frames.jsonl.gz"
FORMAT = "vis-bench frame predictions"
VERSION = 1


@dataclass(frozen=True, slots=True)
class FramePredictions:
    """Stored detections. videos: by video id, one RawDetections per frame."""

    iou_type: IouType
    videos: dict[int, tuple[RawDetections, ...]]


def emitted(result: FrameResult, iou_type: IouType) -> RawDetections:
    """What a method without candidates put out in a frame, as detections with embeddings of width 0.

    Score and label are those of the best class; the box is the predicted one, else the tight box of the mask.
    An object that counts as absent (without mask, for `bbox` without box) is left out.
    """
    found: list[FrameDetection] = []
    corners: list[tuple[float, ...]] = []
    for detection in result.detections:
        mask, box = detection.segmentation, detection.box
        if box is None and iou_type == "segm" and mask is not None:
            box = tight_box(mask)
        if box is not None and (mask is not None or iou_type == "bbox"):
            found.append(detection)
            corners.append((box[0], box[1], box[0] + box[2], box[1] + box[3]))
    return RawDetections(
        scores=np.array([float(d.class_scores.max()) for d in found]),
        labels=np.array([int(d.class_scores.argmax()) for d in found], dtype=np.int64),
        boxes=np.array(corners, dtype=np.float64).reshape(len(found), 4),
        embeddings=np.zeros((len(found), 0)),
        segmentations=tuple(d.segmentation for d in found),
    )


def header_record(dataset: Dataset, iou_type: IouType) -> dict[str, Any]:
    """The first line: what the labels and videos of the others mean."""
    return {
        "format": FORMAT,
        "version": VERSION,
        "dataset": dataset.name,
        "split": dataset.split,
        "iou_type": iou_type,
        "categories": [category.id for category in dataset.categories],
    }


def frame_record(detections: RawDetections, where: str) -> dict[str, Any]:
    """One frame, ready for JSON. Raises MethodError for arrays that do not fit together or are not finite."""
    n = len(detections.scores)
    scores, boxes, embeddings = (
        np.asarray(array, dtype=np.float64)
        for array in (detections.scores, detections.boxes, detections.embeddings)
    )
    shapes = (scores.shape, np.shape(detections.labels), boxes.shape, (len(detections.segmentations),))
    if shapes != ((n,), (n,), (n, 4), (n,)) or embeddings.ndim != 2 or len(embeddings) != n:
        raise MethodError(
            f"{where}: {n} scores, labels {shapes[1]}, boxes {shapes[2]}, embeddings {embeddings.shape} and "
            f"{shapes[3][0]} masks before association do not fit together"
        )
    if not all(np.isfinite(array).all() for array in (scores, boxes, embeddings)):
        raise MethodError(f"{where}: a score, box or embedding before association is not finite")
    single = embeddings.astype("<f4")
    exact = single if np.array_equal(single.astype(np.float64), embeddings) else embeddings.astype("<f8")
    return {
        "scores": scores.tolist(),
        "labels": [int(label) for label in detections.labels],
        "boxes": boxes.tolist(),
        "embeddings": {
            "width": int(embeddings.shape[1]),
            "dtype": exact.dtype.str,
            "data": base64.b64encode(exact.tobytes()).decode("ascii"),
        },
        "segmentations": [rle_record(rle) for rle in detections.segmentations],
    }


def read_frames(path: Path, dataset: Dataset) -> FramePredictions:
    """Read and check stored frame predictions against a dataset.

    Raises DataError for a file of another kind or version, for other categories than the dataset's, unknown
    videos, a wrong number of frames, labels out of range, values that are not finite, arrays of different
    lengths, embeddings of different widths, and bad masks.
    """
    lines = read_bytes(path).split(b"\n")
    header = require_object(_parse(lines[0], f"{path}, line 1"), f"{path}, line 1")
    if header.get("format") != FORMAT or header.get("version") != VERSION:
        raise DataError(
            f"{path}: holds no frame predictions of version {VERSION}. Make them with "
            "`vis-bench run --keep-frames`."
        )
    iou_types: dict[str, IouType] = {name: name for name in get_args(IouType)}
    iou_type = iou_types.get(str(header.get("iou_type")))
    if iou_type is None:
        raise DataError(f"{path}, line 1: `iou_type` must be one of {', '.join(iou_types)}.")
    own = [category.id for category in dataset.categories]
    if header.get("categories") != own:
        raise DataError(
            f"{path}: labels are of other categories than those of {dataset.name} {dataset.split} "
            f"({header.get('categories')} and {own}). Name the dataset that the run was evaluated on."
        )
    videos: dict[int, tuple[RawDetections, ...]] = {}
    widths: set[int] = set()
    for number, line in enumerate(lines[1:], start=2):
        if not line:
            continue
        where = f"{path}, line {number}"
        video, frames = parse_video(_parse(line, where), dataset, where)
        widths |= {frame.embeddings.shape[1] for frame in frames}
        if len(widths) > 1:
            raise DataError(f"{where}: embeddings of widths {sorted(widths)}; one file holds one width.")
        videos[video.id] = frames
    return FramePredictions(iou_type, videos)


def parse_video(value: Any, dataset: Dataset, where: str) -> tuple[Video, tuple[RawDetections, ...]]:
    """One line after the header. Errors as `read_frames`."""
    record = require_object(value, where)
    video = dataset.video_by_id.get(require_int(record, "video_id", where))
    if video is None:
        raise DataError(f"{where}: video {record['video_id']} is not in {dataset.name} {dataset.split}.")
    frames = require_list(record, "frames", where)
    require_length(frames, video.length, "frames", where)
    batch = SegmentationBatch(lambda index, position: f"{where}, frame {index}, mask {position}")
    slots = [list(_add_masks(batch, frame, video, index, where)) for index, frame in enumerate(frames)]
    rles, _ = batch.finish()
    result = []
    for index, (frame, numbers) in enumerate(zip(frames, slots, strict=True)):
        masks = tuple(None if number is None else rles[number] for number in numbers)
        result.append(_detections(frame, masks, len(dataset.categories), f"{where}, frame {index}"))
    return video, tuple(result)


def _add_masks(
    batch: SegmentationBatch, frame: Any, video: Video, index: int, where: str
) -> Iterator[int | None]:
    place = f"{where}, frame {index}"
    for position, mask in enumerate(require_list(require_object(frame, place), "segmentations", place)):
        yield None if is_absent(mask) else batch.add(mask, video, index, position)


def _detections(frame: dict[str, Any], masks: Sequence[Any], num_classes: int, where: str) -> RawDetections:
    n = len(masks)
    labels = _numbers(frame, "labels", (n,), where)
    if not np.array_equal(labels, np.clip(labels.round(), 0, num_classes - 1)):
        raise DataError(f"{where}: `labels` must be whole numbers from 0 to {num_classes - 1}.")
    return RawDetections(
        scores=_numbers(frame, "scores", (n,), where),
        labels=labels.astype(np.int64),
        boxes=_numbers(frame, "boxes", (n, 4), where),
        embeddings=_embeddings(frame, n, where),
        segmentations=tuple(masks),
    )


def _numbers(frame: dict[str, Any], name: str, shape: tuple[int, ...], where: str) -> np.ndarray:
    try:
        array = np.array(require_list(frame, name, where), dtype=np.float64)
    except (TypeError, ValueError):
        raise DataError(f"{where}: `{name}` must hold numbers.") from None
    # an empty list has no second dimension
    array = array.reshape(shape) if array.size == 0 and 0 in shape else array
    if array.shape != shape or not np.isfinite(array).all():
        raise DataError(f"{where}: `{name}` must hold finite numbers of shape {shape}, as many as masks.")
    return array


def _embeddings(frame: dict[str, Any], n: int, where: str) -> np.ndarray:
    record = require_object(require(frame, "embeddings", where), where)
    width, dtype, data = require_int(record, "width", where), record.get("dtype"), record.get("data")
    if dtype not in ("<f4", "<f8") or not isinstance(data, str) or width < 0:
        raise DataError(f"{where}: `embeddings` must hold width, dtype (<f4 or <f8) and data in base64.")
    try:
        values = np.frombuffer(base64.b64decode(data, validate=True), dtype=dtype)
    except (binascii.Error, ValueError):
        raise DataError(f"{where}: the data of `embeddings` is broken.") from None
    if values.size != n * width or not np.isfinite(values).all():
        raise DataError(f"{where}: `embeddings` must hold {n} x {width} finite numbers.")
    return values.astype(np.float64).reshape(n, width)


def _parse(line: bytes, where: str) -> Any:
    try:
        return json.loads(line)
    except (UnicodeDecodeError, ValueError, RecursionError):
        raise DataError(f"{where}: not valid JSON. Is the file complete?") from None
