"""Small datasets in the YouTube-VIS format, made by the tests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from pycocotools import mask as coco_mask

HEIGHT, WIDTH = 12, 20


def square(
    top: int, left: int, height: int, width: int, size: tuple[int, int] = (HEIGHT, WIDTH)
) -> np.ndarray:
    mask = np.zeros(size, dtype=np.uint8)
    mask[top : top + height, left : left + width] = 1
    return mask


def rle(mask: np.ndarray) -> dict[str, Any]:
    encoded = coco_mask.encode(np.asfortranarray(mask, dtype=np.uint8))
    return {"size": encoded["size"], "counts": encoded["counts"].decode()}


def runs(mask: np.ndarray) -> list[int]:
    """Column-major runs, counted pixel by pixel."""
    counts, value = [0], 0
    for pixel in mask.flatten(order="F").tolist():
        if pixel != value:
            counts.append(0)
            value = pixel
        counts[-1] += 1
    return counts


def video_record(video_id: int = 1, frames: int = 2, folder: str = "a", **changes: Any) -> dict[str, Any]:
    record = {
        "id": video_id,
        "width": WIDTH,
        "height": HEIGHT,
        "length": frames,
        "file_names": [f"{folder}/{i:05d}.jpg" for i in range(frames)],
    }
    return record | changes


def annotation(track_id: int = 1, video_id: int = 1, category_id: int = 1, **changes: Any) -> dict[str, Any]:
    """A square of 3x4 pixels in frame 0, absent in frame 1."""
    record = {
        "id": track_id,
        "video_id": video_id,
        "category_id": category_id,
        "iscrowd": 0,
        "segmentations": [rle(square(2, 5, 3, 4)), None],
        "bboxes": [[5.0, 2.0, 4.0, 3.0], None],
        "areas": [12, None],
    }
    return record | changes


def payload(**changes: Any) -> dict[str, Any]:
    whole = {
        "info": {"ignored": True},
        "videos": [video_record()],
        "categories": [{"id": 1, "name": "disc", "supercategory": "ignored"}, {"id": 7, "name": "star"}],
        "annotations": [annotation()],
    }
    return whole | changes


def write_json(path: Path, value: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))
    return path


def write_frames(
    root: Path, videos: list[dict[str, Any]], colour: tuple[int, int, int] = (200, 30, 60)
) -> None:
    for video in videos:
        for name in video["file_names"]:
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (video["width"], video["height"]), colour).save(path, quality=95)
