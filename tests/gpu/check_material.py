"""The videos of the check: a few of `shapes`, as they are or enlarged to the size of YouTube-VIS."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from vis_bench.data import catalog
from vis_bench.data.frames import load_video_frame
from vis_bench.data.shapes import FIRST_VERSION
from vis_bench.data.shapes.layout import annotation_file
from vis_bench.data.shapes.workers import write_videos
from vis_bench.data.ytvis import write_annotations
from vis_bench.files import write_json
from vis_bench.masks import rle
from vis_bench.types import Dataset, TruthTrack

Size = tuple[int, int]


def write_material(folder: Path, videos: int, frames: int, size: Size | None) -> Path:
    """Splits `train` and `val` of so many videos each; made once. size: (height, width), None keeps it."""
    if (folder / "val" / "instances_val.json").exists():
        return folder
    raw = folder / "raw"
    written = write_videos("shapes-v1", "test", range(2 * videos), raw, 1, progress=False)
    write_json(raw / "instances_test.json", annotation_file("shapes", "test", FIRST_VERSION, written))
    dataset = catalog.open_dataset(raw / "instances_test.json")
    for split, chosen in (("train", dataset.videos[:videos]), ("val", dataset.videos[videos:])):
        wanted = {video.id for video in chosen}
        tracks = tuple(track for track in dataset.tracks or () if track.video_id in wanted)
        _write_split(folder / split, split, replace(dataset, videos=chosen, tracks=tracks), frames, size)
    return folder


def _write_split(folder: Path, split: str, dataset: Dataset, frames: int, size: Size | None) -> None:
    kept, tracks = [], []
    for video in dataset.videos:
        height, width = size or (video.height, video.width)
        names = tuple(f"{video.name}/{frame:05d}.jpg" for frame in range(min(frames, video.length)))
        (folder / "JPEGImages" / video.name).mkdir(parents=True, exist_ok=True)
        for frame, name in enumerate(names):
            image = Image.fromarray(load_video_frame(dataset, video, frame))
            image.resize((width, height), Image.Resampling.BILINEAR).save(
                folder / "JPEGImages" / name, quality=95
            )
        kept.append(replace(video, width=width, height=height, file_names=names))
        truth = dataset.tracks_by_video[video.id]
        tracks += [_resized(track, len(names), (height, width)) for track in truth]
    write_annotations(
        folder / f"instances_{split}.json", replace(dataset, videos=tuple(kept), tracks=tuple(tracks))
    )


def _resized(track: TruthTrack, frames: int, size: Size) -> TruthTrack:
    masks = tuple(_mask(mask, size) for mask in track.segmentations[:frames])
    return replace(
        track,
        segmentations=masks,
        boxes=tuple(None if mask is None else rle.tight_box(mask) for mask in masks),
        areas=tuple(None if mask is None else float(rle.area(mask)) for mask in masks),
    )


def _mask(mask: rle.Rle | None, size: Size) -> rle.Rle | None:
    if mask is None:
        return None
    image = Image.fromarray(rle.decode(mask).astype(np.uint8))
    return rle.encode_or_none(np.asarray(image.resize(size[::-1], Image.Resampling.NEAREST))[None] > 0)[0]
