"""A data set of a bright square that moves right on a dark ground, in the YouTube-VIS layout."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image
from ytvis_files import rle

SIZE = (24, 32)


def write_split(folder: Path, split: str, videos: int, frames: int = 4) -> None:
    """A bright square moves right on a dark ground; one object a video.

    A comment in each file holds its name: the bytes of no two videos agree, whatever they show.
    """
    records, annotations = [], []
    for video in range(videos):
        names = [f"{split}{video}/{i:05d}.jpg" for i in range(frames)]
        masks = []
        for i, name in enumerate(names):
            mask = np.zeros(SIZE, np.uint8)
            mask[6 + video : 14 + video, 4 + 3 * i : 12 + 3 * i] = 1
            path = folder / split / "JPEGImages" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            image = np.repeat((40 + 180 * mask)[..., None], 3, axis=2).astype(np.uint8)
            Image.fromarray(image).save(path, quality=95, comment=name.encode())
            masks.append(mask)
        height, width = SIZE
        records.append({"id": video, "width": width, "height": height, "length": frames, "file_names": names})
        annotations.append(
            {
                "id": video,
                "video_id": video,
                "category_id": 0,
                "iscrowd": 0,
                "segmentations": [rle(mask) for mask in masks],
                "bboxes": [[4.0 + 3 * i, 6.0 + video, 8.0, 8.0] for i in range(frames)],
                "areas": [64] * frames,
            }
        )
    payload = {
        "videos": records,
        "categories": [{"id": 0, "name": "square"}],
        "annotations": annotations,
    }
    (folder / split / f"instances_{split}.json").write_text(json.dumps(payload))
