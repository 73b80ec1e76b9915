"""Slices of a data set by what the truth looks like: weights on videos, for any metric.

The properties and their limits are in docs/errors.md, section "Slices".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeVar

import numpy as np

from vis_bench.errors import DataError
from vis_bench.metrics.occlusion import occlusion
from vis_bench.metrics.overlap import box_intersections, divide_or_zero, object_boxes
from vis_bench.types import Box, Dataset, TruthTrack

MIN_VIDEOS = 10
"""A slice with fewer videos is flagged `small`."""
LEVEL = 0.95
REPLICATES = 1000

LABELLED = "labelled occlusion"
"""Cut only where annotations say how occluded their objects are."""

Name = TypeVar("Name", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Property:
    """A number that every video has, cut into three slices: value <= first limit, <= second limit, above."""

    name: str
    slices: tuple[str, str, str]
    limits: tuple[float, float]


PROPERTIES = (
    Property("size", ("small", "medium", "large"), (128**2, 256**2)),
    Property("length", ("short", "medium", "long"), (10, 30)),
    Property("box overlap", ("none", "light", "heavy"), (0.05, 0.2)),
    Property(LABELLED, ("slight", "moderate", "heavy"), (0.25, 0.5)),
    Property("crowding", ("one", "few", "many"), (1, 3)),
    Property("speed", ("slow", "medium", "fast"), (0.1, 0.3)),
    Property("frequency", ("rare", "common", "frequent"), (10, 100)),
)


@dataclass(frozen=True, slots=True)
class Slice:
    """One slice. videos, tracks: how many it has (crowds left out). small: fewer than 10 videos."""

    property: str
    name: str
    videos: int
    tracks: int
    small: bool


@dataclass(frozen=True, slots=True)
class VideoSlices:
    """S slices of V videos. video_ids: ascending, the columns of weights. weights: [S, V] float64, 0 or 1."""

    video_ids: tuple[int, ...]
    slices: tuple[Slice, ...]
    weights: np.ndarray


@dataclass(frozen=True, slots=True)
class SliceValues:
    """A metric per slice: value, low and high are [S] float64, NaN where undefined."""

    value: np.ndarray
    low: np.ndarray
    high: np.ndarray


def video_slices(dataset: Dataset) -> VideoSlices:
    """Cut a data set into three slices for each of PROPERTIES, by its truth alone.

    Raises DataError if the truth is hidden.
    """
    values = video_values(dataset)
    ids = sorted(video.id for video in dataset.videos)
    tracks = np.array([len(_objects(dataset, video)) for video in ids])
    slices: list[Slice] = []
    rows = [np.zeros((0, len(ids)))]
    for property_ in PROPERTIES:
        if property_.name == LABELLED and np.isnan(values[LABELLED]).all():
            continue
        place = np.searchsorted(property_.limits, values[property_.name], side="left")
        place[np.isnan(values[property_.name])] = -1
        for k, name in enumerate(property_.slices):
            chosen = place == k
            count = int(chosen.sum())
            slices.append(Slice(property_.name, name, count, int(tracks[chosen].sum()), count < MIN_VIDEOS))
            rows.append(chosen[None].astype(float))
    return VideoSlices(tuple(ids), tuple(slices), np.concatenate(rows))


def video_values(dataset: Dataset) -> dict[str, np.ndarray]:
    """The number of each video for each property: [V] float64 by ascending video id, NaN where undefined.

    Units: size in pixels; length, crowding and frequency are counts of frames, objects and videos; the two
    of occlusion and speed in 0..1. Raises DataError if the truth is hidden.
    Source: box overlap: Qi et al., Occluded Video Instance Segmentation, IJCV 2022 (mBOR); speed after Zhu et
    al., Flow-Guided Feature Aggregation, ICCV 2017 (motion IoU).
    """
    if dataset.tracks is None:
        raise DataError(
            f"{dataset.name} {dataset.split}: this split has no public truth, so it cannot be sliced. "
            "Use a split with annotations (for example one cut from the training set)."
        )
    ids = sorted(video.id for video in dataset.videos)
    objects = [_objects(dataset, video) for video in ids]
    frequency = Counter(category for tracks in objects for category in {one.category_id for one in tracks})
    rows = [_values_of_video(tracks, frequency) for tracks in objects]
    return {name: np.array([row[name] for row in rows], dtype=float) for name in (p.name for p in PROPERTIES)}


def slice_values(
    reduce: Callable[[np.ndarray], Mapping[Name, np.ndarray]],
    slices: VideoSlices,
    replicates: int = REPLICATES,
    seed: int = 0,
) -> dict[Name, SliceValues]:
    """Every number of a metric per slice, with 95 % percentile intervals from a bootstrap over videos.

    reduce: weights [R, V] -> arrays [R] by name, columns as `slices.video_ids`; for example
    `lambda weights: evaluate.reduce(statistics, weights)`. Draws in which a number is undefined are left out;
    a slice of fewer than two videos has no interval. Equal seeds give equal intervals.
    Source: Efron and Tibshirani, An Introduction to the Bootstrap, 1993, section 13.3.
    """
    values = reduce(slices.weights)
    shape = (2, len(slices.slices))
    bounds = {name: np.full(shape, np.nan) for name in values}
    for s, row in enumerate(slices.weights):
        members = np.flatnonzero(row)
        if len(members) < 2:
            continue
        rng = np.random.default_rng([seed, s])
        drawn = np.zeros((replicates, len(row)))
        drawn[:, members] = rng.multinomial(len(members), np.full(len(members), 1 / len(members)), replicates)
        for name, found in reduce(drawn).items():
            bounds[name][:, s] = _interval(found)
    return {name: SliceValues(np.asarray(values[name]), *bounds[name]) for name in values}


def box_occlusion_rate(boxes: Sequence[Box]) -> float:
    """Area covered by two or more boxes / area covered by any, in 0..1; 0 without area.

    boxes: (x, y, width, height) in pixels. Source: Qi et al., IJCV 2022 (BOR): the union of all
    pairwise intersections is what two or more boxes cover.
    """
    corners = np.array(boxes, dtype=float).reshape(-1, 4)
    low, high = corners[:, :2], corners[:, :2] + corners[:, 2:]
    x, y = (np.unique(np.concatenate([low[:, k], high[:, k]])) for k in (0, 1))
    # cells between neighbouring box edges are covered as a whole or not at all
    inside_x = (low[:, :1] <= x[:-1]) & (x[1:] <= high[:, :1])
    inside_y = (low[:, 1:] <= y[:-1]) & (y[1:] <= high[:, 1:])
    times = inside_y.astype(np.int64).T @ inside_x.astype(np.int64)
    cell = np.diff(y)[:, None] * np.diff(x)[None, :]
    covered = float(cell[times >= 1].sum())
    return float(cell[times >= 2].sum()) / covered if covered else 0.0


def _objects(dataset: Dataset, video: int) -> list[TruthTrack]:
    return [track for track in dataset.tracks_by_video[video] if not track.is_crowd]


def _values_of_video(tracks: Sequence[TruthTrack], frequency: Mapping[int, int]) -> dict[str, float]:
    boxes = [object_boxes(track) for track in tracks]
    drawn = [row for row in boxes if any(box is not None for box in row)]
    if not drawn:
        return dict.fromkeys((p.name for p in PROPERTIES), float("nan"))
    by_frame = [[box for box in column if box is not None] for column in zip(*drawn, strict=True)]
    sizes = [_mean_area(track) for track in tracks]
    labels = [value for value in map(occlusion, tracks) if not np.isnan(value)]
    return {
        "size": _median([size for size in sizes if size > 0]),
        "length": _median([sum(box is not None for box in row) for row in drawn]),
        "box overlap": float(np.mean([box_occlusion_rate(frame) for frame in by_frame if frame])),
        LABELLED: float(np.mean(labels)) if labels else float("nan"),
        "crowding": max(len(frame) for frame in by_frame),
        "speed": _median([speed for row in drawn for speed in _speed(row)]),
        "frequency": min(frequency[track.category_id] for track in tracks),
    }


def _mean_area(track: TruthTrack) -> float:
    positive = [area for area in track.areas if area is not None and area > 0]
    return float(np.mean(positive)) if positive else 0.0


def _speed(boxes: Sequence[Box | None]) -> list[float]:
    """1 - mean IoU of the boxes of adjacent frames, as a list of one; empty if there is no such pair."""
    pairs = [(a, b) for a, b in pairwise(boxes) if a is not None and b is not None]
    if not pairs:
        return []
    iou = []
    for a, b in pairs:
        shared = box_intersections([a], [b])
        iou.append(float(divide_or_zero(shared, a[2] * a[3] + b[2] * b[3] - shared)[0, 0]))
    return [1.0 - float(np.mean(iou))]


def _median(values: Sequence[float]) -> float:
    return float(np.median(values)) if values else float("nan")


def _interval(values: np.ndarray) -> np.ndarray:
    defined = values[~np.isnan(values)]
    if not defined.size:
        return np.full(2, np.nan)
    return np.quantile(defined, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
