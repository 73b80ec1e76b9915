"""Writes a small data set of 360x640 frames, the size of the literature, to measure paper configurations on.

Videos of `shapes-v1`, enlarged: `python tests/benchmarks/large_frames.py FOLDER [VIDEOS] [FRAMES]`, then
`vis-bench speed --dataset FOLDER --split val ...`.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from vis_bench.data import catalog
from vis_bench.data.frames import load_video_frame
from vis_bench.data.ytvis import write_annotations
from vis_bench.masks import rle
from vis_bench.types import TruthTrack

HEIGHT, WIDTH = 360, 640


def write_large_frames(folder: Path, videos: int = 2, frames: int = 10) -> Path:
    """`val/instances_val.json` and `val/JPEGImages/` with the beginning of the first test videos.

    Frames are enlarged bilinearly, masks to the nearest pixel. Returns the folder.
    """
    dataset = catalog.open_dataset("shapes-v1", "test")
    images, chosen, tracks = folder / "val" / "JPEGImages", [], []
    for video in dataset.videos[:videos]:
        names = tuple(f"{video.name}/{frame:05d}.jpg" for frame in range(frames))
        (images / video.name).mkdir(parents=True, exist_ok=True)
        for frame, name in enumerate(names):
            image = Image.fromarray(load_video_frame(dataset, video, frame))
            image.resize((WIDTH, HEIGHT), Image.Resampling.BILINEAR).save(images / name, quality=95)
        chosen.append(replace(video, width=WIDTH, height=HEIGHT, file_names=names))
        tracks += [_enlarged_track(track, frames) for track in dataset.tracks_by_video[video.id]]
    large = replace(dataset, videos=tuple(chosen), tracks=tuple(tracks))
    write_annotations(folder / "val" / "instances_val.json", large)
    return folder


def _enlarged_track(track: TruthTrack, frames: int) -> TruthTrack:
    masks = tuple(None if mask is None else _enlarged(mask) for mask in track.segmentations[:frames])
    return replace(
        track,
        segmentations=masks,
        boxes=tuple(None if mask is None else rle.tight_box(mask) for mask in masks),
        areas=tuple(None if mask is None else float(rle.area(mask)) for mask in masks),
    )


def _enlarged(mask: rle.Rle) -> rle.Rle:
    image = Image.fromarray(rle.decode(mask).astype(np.uint8))
    return rle.encode(np.asarray(image.resize((WIDTH, HEIGHT), Image.Resampling.NEAREST)) > 0)


if __name__ == "__main__":
    print(write_large_frames(Path(sys.argv[1]), *map(int, sys.argv[2:4])))
