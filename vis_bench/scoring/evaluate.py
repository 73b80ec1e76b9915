"""Score predictions against a data set: the numbers behind `vis-bench eval`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, get_args

import numpy as np

from vis_bench.errors import DataError, UsageError, did_you_mean
from vis_bench.metrics import (
    best_masks,
    decomposition,
    duplicates,
    frame_ap,
    hota,
    mot,
    temporal_errors,
    video_ap,
)
from vis_bench.metrics.average_precision import ApStatistics, mean_of_defined
from vis_bench.metrics.checks import check_tracks
from vis_bench.metrics.hota import HotaStatistics
from vis_bench.metrics.mot import MotCounts
from vis_bench.metrics.overlap import VideoOverlap, video_overlap
from vis_bench.metrics.temporal_errors import TemporalError
from vis_bench.scoring.measure import (
    AT_OPERATING_POINT,
    HOTA_SETTINGS,
    MOT_SETTINGS,
    comparison,
    measure_videos,
)
from vis_bench.scoring.operating_point import OperatingPoint, chosen_on_scored
from vis_bench.types import Category, Dataset, IouType, Track

METRICS = ("ap", "frame_ap", "mot", "hota", "errors", "duplicates")
COUNTS = {"mot": mot.COUNTS, "errors": temporal_errors.COUNTS, "operating_point": mot.COUNTS}
"""What is a whole number, by the first key of the result."""
DUPLICATE_SETTINGS = ("operating_point", str(duplicates.SCORE_THRESHOLD))
ERROR_SETTING = ("class_agnostic", str(temporal_errors.SCORE_THRESHOLD))

Setting = tuple[str, str]
Name = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Statistics:
    """All that is needed to score any weighting of the videos; holds no masks.

    video_ids: ascending, the columns of every weight matrix. A metric not asked for is None or empty.
    mot, hota: by (class mode, score threshold) as named in the result. point: which predictions the operating
    point keeps; point_mot and point_hota: class-agnostic, of these. duplicates: by the name of the threshold.
    """

    video_ids: tuple[int, ...]
    categories: tuple[Category, ...]
    video_ap: ApStatistics | None
    frame_ap: ApStatistics | None
    mot: dict[Setting, mot.MotCounts]
    hota: dict[Setting, hota.HotaStatistics]
    errors: temporal_errors.ErrorCounts | None
    point: OperatingPoint | None
    point_mot: MotCounts | None
    point_hota: HotaStatistics | None
    duplicates: dict[str, duplicates.DuplicateCounts]


def evaluate(
    dataset: Dataset,
    tracks: Sequence[Track],
    metrics: Sequence[str] = METRICS,
    iou_type: IouType = "segm",
    jobs: int = 1,
    at: OperatingPoint | None = None,
) -> dict[str, Any]:
    """Score `tracks` on every video of `dataset`, predicted or not.

    metrics: any of `ap` (keys video_ap, per_category), `frame_ap`, `mot`, `hota`, `errors`, `duplicates` (key
    duplicates_per_100). iou_type: `segm` for masks (MOT on their tight boxes), `bbox` for the boxes of tracks
    and annotations, or the tight boxes of masks where there are none. jobs: processes that share the videos.
    at: the operating point, for `mot`, `hota` (key operating_point) and `duplicates`; None chooses it on the
    halves of these videos. Returns nested dictionaries: Python floats in 0..1 at full precision (MOTA may be
    negative), None where undefined, counts as ints; under operating_point also its thresholds, metric and
    source. The order of `tracks` matters only between equal scores. Inputs are not modified.

    Raises UsageError for an unknown metric or IoU type, DataError if the truth is hidden or a track does not
    fit its video.
    """
    return score(measure(dataset, tracks, metrics, iou_type, jobs, at))


def score(statistics: Statistics) -> dict[str, Any]:
    """The result of `evaluate`: every number with all videos weighted alike."""
    result: dict[str, Any] = {}
    if statistics.point is not None and (statistics.point_mot or statistics.point_hota):
        result["operating_point"] = statistics.point.head()
    for name, values in reduce(statistics, np.ones((1, len(statistics.video_ids)))).items():
        place = result
        for part in name[:-1]:
            place = place.setdefault(part, {})
        value = float(values[0])
        if name[-1] in COUNTS.get(name[0], ()):
            place[name[-1]] = round(value)
        else:
            place[name[-1]] = None if np.isnan(value) else value
    return result


def video_costs(statistics: Statistics) -> dict[int, float]:
    """What each video costs: AP without it minus AP, in -1..1, by video id; empty where AP is undefined.

    A video whose removal leaves no category with truth has no cost. Raises ValueError if the statistics hold
    no video AP.
    """
    if statistics.video_ap is None:
        raise ValueError("the cost of a video needs video AP among the metrics")
    count = len(statistics.video_ids)
    weights = np.concatenate([np.ones((1, count)), 1.0 - np.eye(count)])
    ap = video_ap.reduce(statistics.video_ap, weights)["AP"]
    costs = ap[1:] - ap[0]
    return {
        video: float(cost) for video, cost in zip(statistics.video_ids, costs, strict=True) if cost == cost
    }


def measure(
    dataset: Dataset,
    tracks: Sequence[Track],
    metrics: Sequence[str] = METRICS,
    iou_type: IouType = "segm",
    jobs: int = 1,
    at: OperatingPoint | None = None,
) -> Statistics:
    """Compare all tracks with the truth, one video at a time. Arguments and errors as `evaluate`."""
    _check_arguments(dataset, metrics, iou_type)
    check_tracks(dataset, tracks)
    work = comparison(dataset, tracks, metrics, iou_type)
    point = (at or chosen_on_scored(work, jobs)) if AT_OPERATING_POINT & set(metrics) else None
    videos = measure_videos(work if point is None else replace(work, above=point.above), jobs)
    ids = [category.id for category in dataset.categories]
    wants = set(metrics).__contains__
    return Statistics(
        video_ids=tuple(sorted(video.id for video in dataset.videos)),
        categories=dataset.categories,
        video_ap=video_ap.gather([v.video_ap for v in videos if v.video_ap], ids) if wants("ap") else None,
        frame_ap=frame_ap.gather([v.frame_ap for v in videos if v.frame_ap], ids)
        if wants("frame_ap")
        else None,
        mot={key: mot.gather([v.mot[k] for v in videos]) for k, key in enumerate(MOT_SETTINGS)}
        if wants("mot")
        else {},
        hota={key: hota.gather([v.hota[k] for v in videos]) for k, key in enumerate(HOTA_SETTINGS)}
        if wants("hota")
        else {},
        errors=temporal_errors.gather([v.errors for v in videos if v.errors]) if wants("errors") else None,
        point=point,
        point_mot=mot.gather([v.point_mot for v in videos if v.point_mot]) if wants("mot") else None,
        point_hota=hota.gather([v.point_hota for v in videos if v.point_hota]) if wants("hota") else None,
        duplicates={
            key: duplicates.gather([v.duplicates[k] for v in videos])
            for k, key in enumerate(DUPLICATE_SETTINGS)
        }
        if wants("duplicates")
        else {},
    )


def reduce(statistics: Statistics, weights: np.ndarray) -> dict[Name, np.ndarray]:
    """Every number under video weights: score, bootstrap and slice are this one function.

    weights: [R, V] float64 >= 0, columns as `statistics.video_ids`. Returns arrays [R] by the path that the
    number has in the result of `evaluate`, for example ("mot", "class_aware", "0.3", "IDF1"); NaN where
    undefined.
    """
    result: dict[Name, np.ndarray] = {}
    if statistics.video_ap is not None:
        by_category = video_ap.reduce_categories(statistics.video_ap, weights)
        for name, values in by_category.items():
            result["video_ap", name] = mean_of_defined(values)
        column = {int(category): k for k, category in enumerate(statistics.video_ap.category_ids)}
        for category in statistics.categories:
            for name, values in by_category.items():
                result["per_category", category.name, name] = values[:, column[category.id]]
    if statistics.frame_ap is not None:
        for name, values in frame_ap.reduce(statistics.frame_ap, weights).items():
            result["frame_ap", name] = values
    for setting, counts in statistics.mot.items():
        for name, values in mot.reduce(counts, weights).items():
            result["mot", *setting, name] = values
    for setting, sums in statistics.hota.items():
        for name, values in hota.reduce(sums, weights).items():
            result["hota", *setting, name] = values
    if statistics.errors is not None:
        for name, values in temporal_errors.reduce(statistics.errors, weights).items():
            result["errors", *ERROR_SETTING, name] = values
    if statistics.point_mot is not None:
        for name, values in mot.reduce(statistics.point_mot, weights).items():
            result["operating_point", "mot", name] = values
    if statistics.point_hota is not None:
        for name, values in hota.reduce(statistics.point_hota, weights).items():
            result["operating_point", "hota", name] = values
    for above, found in statistics.duplicates.items():
        result["duplicates_per_100", above] = duplicates.reduce(found, weights)
    return result


def error_events(
    dataset: Dataset,
    tracks: Sequence[Track],
    above: float = temporal_errors.SCORE_THRESHOLD,
    iou_type: IouType = "segm",
) -> tuple[TemporalError, ...]:
    """Every temporal error, by video id and frame: the single cases behind the counts of `errors`.

    above: predictions with a greater score are kept. The `tracks` of an event are positions in `tracks`.
    Errors as `evaluate`.
    """
    result: list[TemporalError] = []
    for positions, overlap in _overlaps(dataset, tracks, iou_type):
        ids = [one.id for one in dataset.tracks_by_video[overlap.video_id]]
        result += temporal_errors.events(overlap, ids, positions, above)
    return tuple(result)


def decompose(
    dataset: Dataset, tracks: Sequence[Track], iou_type: IouType = "segm"
) -> decomposition.DecompositionStatistics:
    """What `decomposition.reduce` needs to say how much video AP each kind of error costs.

    Columns of the weights are the video ids, ascending. Errors as `evaluate`.
    """
    videos = [decomposition.per_video(overlap) for _, overlap in _overlaps(dataset, tracks, iou_type)]
    return decomposition.gather(videos, [category.id for category in dataset.categories])


def count_best_masks(dataset: Dataset, tracks: Sequence[Track], iou_type: IouType = "segm") -> np.ndarray:
    """The counts of `best_masks` by video, [V, 4], video ids ascending. Errors as `evaluate`."""
    return best_masks.gather(
        [best_masks.per_video(overlap) for _, overlap in _overlaps(dataset, tracks, iou_type)]
    )


def _overlaps(
    dataset: Dataset, tracks: Sequence[Track], iou_type: IouType
) -> Iterator[tuple[list[int], VideoOverlap]]:
    """Per video, ascending ids: positions in `tracks` of its predictions, and all overlaps."""
    _check_arguments(dataset, (), iou_type)
    check_tracks(dataset, tracks)
    positions: dict[int, list[int]] = {video.id: [] for video in dataset.videos}
    for position, track in enumerate(tracks):
        positions[track.video_id].append(position)
    for video in sorted(dataset.videos, key=lambda video: video.id):
        truth, rows = dataset.tracks_by_video[video.id], positions[video.id]
        yield rows, video_overlap(video.id, video.length, truth, [tracks[i] for i in rows], iou_type)


def _check_arguments(dataset: Dataset, metrics: Sequence[str], iou_type: str) -> None:
    for name in metrics:
        if name not in METRICS:
            raise UsageError(f"unknown metric {name!r}.{did_you_mean(name, METRICS)}")
    if iou_type not in get_args(IouType):
        raise UsageError(f"unknown IoU type {iou_type!r}.{did_you_mean(iou_type, get_args(IouType))}")
    if dataset.tracks is None:
        raise DataError(
            f"{dataset.name} {dataset.split}: this split has no public truth, so nothing can be scored here. "
            "Score a split with annotations (for example one cut from the training set), "
            "or give truth that you have with --truth FILE."
        )
