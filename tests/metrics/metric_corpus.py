"""Reads the two reference corpora, and makes small data sets out of arrays, for the metric tests."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from vis_bench.masks import rle
from vis_bench.metrics.track_order import content_order
from vis_bench.types import Category, Dataset, Rle, Track, TruthTrack, Video

FIXTURES = Path(__file__).parents[1] / "fixtures" / "metrics"


@dataclass(frozen=True)
class Corpus:
    """A data set, predictions, and what third-party code made of them."""

    dataset: Dataset
    tracks: tuple[Track, ...]
    truth_json: dict[str, Any]
    tracks_json: list[dict[str, Any]]
    reference: dict[str, Any]
    arrays: dict[str, np.ndarray]


def load(name: str) -> Corpus:
    """Load `small` (committed) or `medium` (found through VIS_BENCH_FIXTURES, else the test is skipped)."""
    if name == "small":
        folder, truth, tracks = FIXTURES, "small_gt.json.gz", "small_pred.json.gz"
        reference = json.loads((folder / "small_reference.json").read_text())["small"]
    else:
        if "VIS_BENCH_FIXTURES" not in os.environ:
            pytest.skip("VIS_BENCH_FIXTURES is not set")
        folder = Path(os.environ["VIS_BENCH_FIXTURES"]) / "metrics"
        truth, tracks = f"{name}_gt.json.gz", f"{name}_pred.json.gz"
        reference = json.loads((folder / "reference.json").read_text())[name]
    truth_json = json.loads(gzip.decompress((folder / truth).read_bytes()))
    tracks_json = json.loads(gzip.decompress((folder / tracks).read_bytes()))
    with np.load(folder / f"{name}_arrays.npz") as stored:
        arrays = {key: stored[key] for key in stored.files}
    return Corpus(
        dataset_from(truth_json), tracks_from(tracks_json), truth_json, tracks_json, reference, arrays
    )


def dataset_from(content: dict[str, Any]) -> Dataset:
    videos = tuple(
        Video(v["id"], str(v["id"]), v["width"], v["height"], tuple(v["file_names"]))
        for v in content["videos"]
    )
    size = {video.id: (video.height, video.width) for video in videos}
    tracks = tuple(
        TruthTrack(
            a["id"],
            a["video_id"],
            a["category_id"],
            bool(a["iscrowd"]),
            tuple(_compressed(s, *size[a["video_id"]]) for s in a["segmentations"]),
            tuple(tuple(box) if box else None for box in a["bboxes"]),
            tuple(a["areas"]),
        )
        for a in content["annotations"]
    )
    categories = tuple(Category(c["id"], c["name"]) for c in content["categories"])
    return Dataset("corpus", "val", videos, categories, tracks, None, "0", "0")


def tracks_from(content: Sequence[dict[str, Any]]) -> tuple[Track, ...]:
    return tuple(
        Track(
            t["video_id"],
            t["category_id"],
            t["score"],
            tuple(_compressed(s, 0, 0) for s in t["segmentations"]),
        )
        for t in content
    )


def truth_track(
    identity: int,
    masks: Sequence[np.ndarray | None],
    *,
    video: int = 1,
    category: int = 1,
    crowd: bool = False,
    areas: Sequence[float | None] | None = None,
) -> TruthTrack:
    """A truth track from boolean masks; the areas are the masks' unless given."""
    segmentations = tuple(None if mask is None else rle.encode(mask) for mask in masks)
    measured = tuple(None if s is None else float(rle.area(s)) for s in segmentations)
    boxes = tuple(None if s is None else rle.tight_box(s) for s in segmentations)
    return TruthTrack(identity, video, category, crowd, segmentations, boxes, tuple(areas or measured))


def track(masks: Sequence[np.ndarray | None], score: float, *, video: int = 1, category: int = 1) -> Track:
    """A predicted track from boolean masks."""
    return Track(video, category, score, tuple(None if mask is None else rle.encode(mask) for mask in masks))


def dataset(
    truth: Sequence[TruthTrack], lengths: dict[int, int], size: tuple[int, int], categories: int = 1
) -> Dataset:
    """A data set of videos {id: length} of one size (height, width), categories 1..n."""
    videos = tuple(
        Video(i, f"v{i}", size[1], size[0], tuple(f"v{i}/{t}.jpg" for t in range(n)))
        for i, n in lengths.items()
    )
    names = tuple(Category(i + 1, f"c{i + 1}") for i in range(categories))
    return Dataset("made", "val", videos, names, tuple(truth), None, "0", "0")


def rectangle(size: tuple[int, int], x: int, y: int, width: int, height: int) -> np.ndarray:
    """A boolean mask [H, W] with one filled rectangle."""
    mask = np.zeros(size, dtype=bool)
    mask[y : y + height, x : x + width] = True
    return mask


def random_corpus(rng: np.random.Generator, *, large: bool = False) -> tuple[Dataset, list[Track]]:
    """A few videos full of ties: rectangles on a coarse grid, few scores, crowds, absences, empty masks.

    large: areas around the limits of the area ranges (slower).
    """
    unit, side = (32, 288) if large else (2, 16)
    size = (side, side)

    def mask() -> np.ndarray | None:
        draw = rng.random()
        if draw < 0.2:
            return None
        if draw < 0.25:
            return np.zeros(size, dtype=bool)
        x, y = rng.integers(0, side // unit // 2, 2) * unit
        width, height = rng.integers(1, side // unit // 2 + 1, 2) * unit
        return rectangle(size, x, y, width, height)

    def masks(length: int) -> list[np.ndarray | None]:
        if rng.random() < 0.3:
            return [mask() for _ in range(length)]
        same = mask()
        return [same if rng.random() < 0.8 else mask() for _ in range(length)]

    lengths = {int(i): int(rng.integers(1, 6)) for i in rng.permutation(9)[: rng.integers(1, 4)] + 1}
    truth, tracks = [], []
    for video, length in lengths.items():
        for _ in range(rng.integers(0, 5)):
            drawn = masks(length)
            category, crowd = int(rng.integers(1, 3)), bool(rng.random() < 0.15)
            areas = [float(rng.choice([0, 16384, 16385, 65536, 70000])) for _ in drawn] if large else None
            truth.append(
                truth_track(len(truth) + 1, drawn, video=video, category=category, crowd=crowd, areas=areas)
            )
            for _ in range(rng.integers(0, 4)):
                found = [m if rng.random() < 0.7 else mask() for m in drawn]
                score, category = float(rng.choice([0.0, 0.25, 0.3, 0.5, 0.9])), int(rng.integers(1, 3))
                tracks.append(track(found, score, video=video, category=category))
        for _ in range(rng.integers(0, 2)):
            tracks.append(track(masks(length), 0.5, video=video, category=int(rng.integers(1, 4))))
    order = rng.permutation(len(tracks))
    return dataset(truth, lengths, size, categories=3), [tracks[i] for i in order]


def untied_corpus(rng: np.random.Generator) -> tuple[Dataset, list[Track]]:
    """Videos in which no two masks and no two scores are equal: predictions near the truth, some
    elsewhere."""
    size = (60, 80)

    def mask(x: float, y: float, width: float, height: float) -> np.ndarray | None:
        drawn = rectangle(size, max(0, int(x)), max(0, int(y)), max(1, int(width)), max(1, int(height)))
        drawn &= rng.random(size) < 0.97
        return drawn if rng.random() < 0.85 else None

    truth, tracks = [], []
    lengths = {int(i): int(rng.integers(1, 9)) for i in rng.permutation(20)[: rng.integers(1, 4)] + 1}
    for video, length in lengths.items():
        paths = []
        for _ in range(rng.integers(0, 5)):
            start, step = rng.uniform(0, [50, 35]), rng.uniform(-3, 3, 2)
            path = [(*(start + t * step), *rng.uniform(10, 22, 2)) for t in range(length)]
            paths.append(path)
            category, crowd = int(rng.integers(1, 4)), bool(rng.random() < 0.1)
            masks = [mask(*box) for box in path]
            truth.append(truth_track(len(truth) + 1, masks, video=video, category=category, crowd=crowd))
        for _ in range(rng.integers(0, 9)):
            source = paths[rng.integers(len(paths))] if paths and rng.random() < 0.8 else None
            other = paths[rng.integers(len(paths))] if paths and rng.random() < 0.3 else source
            masks = []
            for t in range(length):
                followed = source if t < length // 2 else other
                box = followed[t] if followed else (*rng.uniform(0, 50, 2), *rng.uniform(5, 20, 2))
                masks.append(mask(*(np.array(box) + rng.normal(0, 2, 4))))
            category, score = int(rng.integers(1, 4)), float(rng.random())
            tracks.append(track(masks, score, video=video, category=category))
    return dataset(truth, lengths, size, categories=4), tracks


def in_content_order(made: Dataset, tracks: Sequence[Track]) -> tuple[Dataset, list[Track]]:
    """The same with the tracks in the order that decides ties in HOTA, MOT and TETA."""
    truth = made.tracks or ()
    return (
        replace(made, tracks=tuple(truth[i] for i in content_order(truth))),
        [tracks[i] for i in content_order(tracks)],
    )


def without_empty(track: TruthTrack | Track) -> TruthTrack | Track:
    """The same track with null for a mask without a pixel."""
    kept = tuple(s if s is not None and rle.area(s) else None for s in track.segmentations)
    return replace(track, segmentations=kept)


def _compressed(segmentation: dict[str, Any] | None, height: int, width: int) -> Rle | None:
    if segmentation is None:
        return None
    if isinstance(segmentation["counts"], list):
        return coco_mask.frPyObjects(segmentation, height, width)
    return {"size": list(segmentation["size"]), "counts": segmentation["counts"].encode()}
