"""Writes a small data set of 360x640 frames, the size of the literature, to measure paper configurations on.

Videos of `shapes`, enlarged: `python tests/benchmarks/large_frames.py FOLDER [VIDEOS] [FRAMES]`, then
`vis-bench speed --dataset FOLDER --split val ...`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from vis_bench import rle
from vis_bench.data import catalog
from vis_bench.data.frames import load_video_frame
from vis_bench.data.ytvis import rle_record

HEIGHT, WIDTH = 360, 640


def write_large_frames(folder: Path, videos: int = 2, frames: int = 10) -> Path:
    """`val/instances_val.json` and `val/JPEGImages/` with the beginning of the first test videos.

    Frames are enlarged bilinearly, masks to the nearest pixel. Returns the folder.
    """
    dataset = catalog.open_dataset("shapes", "test")
    images, entries, annotations = folder / "val" / "JPEGImages", [], []
    for video in dataset.videos[:videos]:
        names = [f"{video.name}/{frame:05d}.jpg" for frame in range(frames)]
        (images / video.name).mkdir(parents=True, exist_ok=True)
        for frame, name in enumerate(names):
            image = Image.fromarray(load_video_frame(dataset, video, frame))
            image.resize((WIDTH, HEIGHT), Image.Resampling.BILINEAR).save(images / name, quality=95)
        size = {"height": HEIGHT, "width": WIDTH, "length": frames}
        entries.append({"id": video.id, "file_names": names, **size})
        for track in dataset.tracks_by_video[video.id]:
            masks = [None if mask is None else _enlarged(mask) for mask in track.segmentations[:frames]]
            annotations.append(
                {
                    "id": track.id, "video_id": video.id, "category_id": track.category_id, "iscrowd": 0,
                    "height": HEIGHT, "width": WIDTH, "segmentations": [None if mask is None else rle_record(mask) for mask in masks],
                    "bboxes": [None if mask is None else list(rle.tight_box(mask)) for mask in masks],
                    "areas": [None if mask is None else int(rle.area(mask)) for mask in masks],
                }
            )  # fmt: skip
    categories = [{"id": category.id, "name": category.name} for category in dataset.categories]
    target = folder / "val" / "instances_val.json"
    target.write_text(
        json.dumps({"videos": entries, "categories": categories, "annotations": annotations}),
        encoding="utf-8",
    )
    return folder


def _enlarged(mask: rle.Rle) -> rle.Rle:
    image = Image.fromarray(rle.decode(mask).astype(np.uint8))
    return rle.encode(np.asarray(image.resize((WIDTH, HEIGHT), Image.Resampling.NEAREST)) > 0)


if __name__ == "__main__":
    print(write_large_frames(Path(sys.argv[1]), *map(int, sys.argv[2:4])))
