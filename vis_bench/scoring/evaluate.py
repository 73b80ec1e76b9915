"""Score predictions against a data set: the numbers behind `vis-bench eval`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any, get_args

import numpy as np

from vis_bench.errors import DataError, UsageError, did_you_mean
from vis_bench.metrics import (
    average_precision,
    best_masks,
    decomposition,
    duplicates,
    frame_ap,
    hota,
    hota_classes,
    mot,
    mots,
    temporal_errors,
    teta,
    video_ap,
)
from vis_bench.metrics.checks import check_tracks
from vis_bench.metrics.matching import VideoMatches
from vis_bench.metrics.overlap import VideoOverlap, video_overlap
from vis_bench.metrics.temporal_errors import TemporalError
from vis_bench.metrics.video_ap import ApRules
from vis_bench.scoring.measure import (
    AT_OPERATING_POINT,
    HOTA_SETTINGS,
    HOTA_THRESHOLDS,
    MOT_SETTINGS,
    VideoMeasures,
    comparison,
    measure_videos,
)
from vis_bench.scoring.metric_names import DEFAULT_METRICS, metric_name
from vis_bench.scoring.operating_point import OperatingPoint, chosen_on_scored
from vis_bench.scoring.statistics import Statistics, hota_curves, reduce
from vis_bench.types import Category, Dataset, IouType, Track

COUNTS = {
    "mot": mot.COUNTS,
    "mot_masks": mot.COUNTS,
    "mots": mots.COUNTS,
    "errors": temporal_errors.COUNTS,
    "operating_point": mot.COUNTS,
}
"""What is a whole number, by the first key of the result."""
NO_GROUPS: Mapping[str, Sequence[int]] = MappingProxyType({})


def evaluate(
    dataset: Dataset,
    tracks: Sequence[Track],
    metrics: Sequence[str] = DEFAULT_METRICS,
    iou_type: IouType = "segm",
    jobs: int = 1,
    at: OperatingPoint | None = None,
    class_groups: Mapping[str, Sequence[int]] = NO_GROUPS,
    count_crowds: bool = False,
    label: str = "",
) -> dict[str, Any]:
    """Score `tracks` on every video of `dataset`, predicted or not.

    metrics: any of METRICS (`scoring/metric_names.py`); each has its key in the result, `video_ap` also
    `per_category`, `mot` and `hota` also `operating_point`. iou_type: `segm` for masks (`mot` on their tight
    boxes), `bbox` for the boxes of tracks and annotations, or the tight boxes of masks where there are none.
    jobs: processes that share the videos. at: the operating point, for `mot`, `hota` and `duplicates`; None
    chooses it on the halves of these videos. class_groups: category ids by name, whose means of video AP
    stand under `class_groups`. count_crowds: crowd truth has to be found by video AP, as in LV-VIS. label: of
    a bar on a terminal once it takes over 2 s; no bar without one. Returns nested dictionaries: Python floats
    in 0..1 at full precision (MOTA may be negative), None where undefined, counts as ints; under
    operating_point also its thresholds, metric and source. The order of `tracks` matters only between equal
    scores, and only to AP and errors. Inputs are not modified.

    Raises UsageError for an unknown metric or IoU type, DataError if the truth is hidden or a track does not
    fit its video.
    """
    return score(measure(dataset, tracks, metrics, iou_type, jobs, at, class_groups, count_crowds, label))


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
    if "hota_curves" in statistics.metrics:
        result["hota_curves"] = hota_curves(statistics)
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
    ap = average_precision.reduce(statistics.video_ap, weights, video_ap.SUMMARIES[:1])["AP"]
    costs = ap[1:] - ap[0]
    return {
        video: float(cost) for video, cost in zip(statistics.video_ids, costs, strict=True) if cost == cost
    }


def measure(
    dataset: Dataset,
    tracks: Sequence[Track],
    metrics: Sequence[str] = DEFAULT_METRICS,
    iou_type: IouType = "segm",
    jobs: int = 1,
    at: OperatingPoint | None = None,
    class_groups: Mapping[str, Sequence[int]] = NO_GROUPS,
    count_crowds: bool = False,
    label: str = "",
) -> Statistics:
    """Compare all tracks with the truth, one video at a time. Arguments and errors as `evaluate`."""
    names = tuple(metric_name(name) for name in metrics)
    _check_arguments(dataset, iou_type)
    check_tracks(dataset, tracks, iou_type)
    work = comparison(dataset, tracks, names, iou_type, count_crowds, label)
    point = (at or chosen_on_scored(work, jobs)) if AT_OPERATING_POINT & work.metrics else None
    ids = sorted(video.id for video in dataset.videos)
    if point is not None:
        work = replace(work, above={video: (above,) for video, above in point.above.items()})
    videos = measure_videos(work, jobs)
    return gather(ids, videos, dataset.categories, names, work.rules, class_groups, point)


def gather(
    video_ids: Sequence[int],
    videos: Sequence[VideoMeasures],
    categories: Sequence[Category],
    metrics: Sequence[str],
    rules: ApRules,
    class_groups: Mapping[str, Sequence[int]] = NO_GROUPS,
    point: OperatingPoint | None = None,
) -> Statistics:
    """The statistics of measured videos, by ascending `video_ids`.

    rules, point: those they were measured by, each video at one threshold.
    """
    ids = [category.id for category in categories]

    def matches(metric: str) -> list[VideoMatches] | None:
        return [getattr(video, metric) for video in videos] if metric in metrics else None

    def by_setting(metric: str, settings: Iterable[Any], join: Callable[[list[Any]], Any]) -> dict[Any, Any]:
        field = "hota" if metric == "hota_curves" else metric
        wanted = settings if metric in metrics else ()
        return {key: join([getattr(video, field)[k] for video in videos]) for k, key in enumerate(wanted)}

    ap, agnostic = matches("video_ap"), matches("video_ap_agnostic")
    frames, official = matches("frame_ap"), matches("frame_ap_official")
    hota_name = "hota" if "hota" in metrics else "hota_curves"
    points = [video.points[0] for video in videos if video.points]
    at_point = metrics if point is not None else ()
    return Statistics(
        video_ids=tuple(video_ids),
        categories=tuple(categories),
        metrics=tuple(metrics),
        video_ap=None if ap is None else video_ap.gather(ap, ids, rules),
        video_ap_agnostic=None
        if agnostic is None
        else video_ap.gather(agnostic, ids, ApRules(class_agnostic=True)),
        frame_ap=None if frames is None else frame_ap.gather(frames, ids),
        frame_ap_official=None if official is None else frame_ap.gather(official, ids),
        mot=by_setting("mot", MOT_SETTINGS, mot.gather),
        mot_masks=by_setting("mot_masks", MOT_SETTINGS, mot.gather),
        mots=by_setting("mots", HOTA_SETTINGS, mots.gather),
        hota=by_setting(hota_name, HOTA_SETTINGS, hota.gather),
        hota_classes=by_setting(
            "hota_classes", HOTA_THRESHOLDS, lambda parts: hota_classes.gather(parts, ids)
        ),
        teta=by_setting("teta", HOTA_THRESHOLDS, lambda parts: teta.gather(parts, ids)),
        errors=temporal_errors.gather([v.errors for v in videos if v.errors])
        if "errors" in metrics
        else None,
        class_groups={name: tuple(group) for name, group in class_groups.items()},
        point=point,
        point_mot=mot.gather([one.mot for one in points if one.mot]) if "mot" in at_point else None,
        point_hota=hota.gather([one.hota for one in points if one.hota]) if "hota" in at_point else None,
        duplicates={
            "operating_point": duplicates.gather([one.duplicates for one in points if one.duplicates]),
            str(duplicates.SCORE_THRESHOLD): duplicates.gather(
                [v.duplicates for v in videos if v.duplicates]
            ),
        }
        if "duplicates" in at_point
        else {},
    )


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
    _check_arguments(dataset, iou_type)
    check_tracks(dataset, tracks, iou_type)
    positions: dict[int, list[int]] = {video.id: [] for video in dataset.videos}
    for position, track in enumerate(tracks):
        positions[track.video_id].append(position)
    for video in sorted(dataset.videos, key=lambda video: video.id):
        truth, rows = dataset.tracks_by_video[video.id], positions[video.id]
        yield rows, video_overlap(video.id, video.length, truth, [tracks[i] for i in rows], iou_type)


def _check_arguments(dataset: Dataset, iou_type: str) -> None:
    if iou_type not in get_args(IouType):
        raise UsageError(f"unknown IoU type {iou_type!r}.{did_you_mean(iou_type, get_args(IouType))}")
    if dataset.tracks is None:
        raise DataError(
            f"{dataset.name} {dataset.split}: this split has no public truth, so nothing can be scored here. "
            "Score a split with annotations (for example one cut from the training set), "
            "or give truth that you have with --truth FILE."
        )
