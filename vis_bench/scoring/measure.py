"""Comparing every video of a data set with its truth, on one core or several."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from vis_bench.metrics import duplicates, frame_ap, hota, mot, operating_point, temporal_errors, video_ap
from vis_bench.metrics.hota import HotaStatistics
from vis_bench.metrics.matching import IOU_THRESHOLDS, VideoMatches
from vis_bench.metrics.mot import MotCounts
from vis_bench.metrics.overlap import VideoOverlap, video_overlap
from vis_bench.types import Dataset, IouType, Track, Video

CLASS_MODES = {"class_agnostic": False, "class_aware": True}
HOTA_THRESHOLDS = {"all": None, "0.3": 0.3}
"""Score thresholds of HOTA by the name they have in the result; None keeps every prediction."""
MOT_THRESHOLDS = {str(above): above for above in mot.SCORE_THRESHOLDS}
MOT_SETTINGS = tuple((mode, name) for mode in CLASS_MODES for name in MOT_THRESHOLDS)
HOTA_SETTINGS = tuple((mode, name) for mode in CLASS_MODES for name in HOTA_THRESHOLDS)

AT_OPERATING_POINT = frozenset({"mot", "hota", "duplicates"})
"""Metrics that are scored at the operating point too."""
_One = TypeVar("_One")

# so many videos go to a worker at once that sending costs nothing, and so few that the work is spread evenly
_VIDEOS_PER_TASK = 4


@dataclass(frozen=True, slots=True)
class VideoMeasures:
    """What every metric needs of one video; None or empty for a metric that was not asked for.

    mot, hota: in the order of MOT_SETTINGS and HOTA_SETTINGS. point_mot, point_hota: class-agnostic, at the
    operating point. duplicates: at the operating point, and above `duplicates.SCORE_THRESHOLD`.
    """

    video_ap: VideoMatches | None
    frame_ap: VideoMatches | None
    mot: tuple[mot.MotCounts, ...]
    hota: tuple[hota.HotaStatistics, ...]
    errors: temporal_errors.ErrorCounts | None
    point_mot: MotCounts | None
    point_hota: HotaStatistics | None
    duplicates: tuple[duplicates.DuplicateCounts, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """A data set, the predictions of each video by id, what is asked for, and how many masks there are.

    above: the score threshold of the operating point by video id; empty where none is asked for or known yet.
    """

    dataset: Dataset
    predictions: dict[int, list[Track]]
    metrics: tuple[str, ...]
    iou_type: IouType
    masks: int
    above: Mapping[int, float] = field(default_factory=dict)


def comparison(
    dataset: Dataset, tracks: Sequence[Track], metrics: Sequence[str], iou_type: IouType
) -> Comparison:
    """Sort the predictions by video; their order within a video stays."""
    predictions: dict[int, list[Track]] = {video.id: [] for video in dataset.videos}
    for track in tracks:
        predictions[track.video_id].append(track)
    masks = sum(len(track.segmentations) for track in tracks)
    return Comparison(dataset, predictions, tuple(metrics), iou_type, masks)


def measure_videos(work: Comparison, jobs: int = 1) -> list[VideoMeasures]:
    """Measure all videos, by ascending id; with several jobs in as many processes."""
    return _each_video(measure_video, work, jobs)


def grid_counts(work: Comparison, jobs: int = 1) -> operating_point.GridCounts:
    """What chooses the operating point: counts of boxes at every threshold of the grid, by ascending video
    id.

    Boxes are measured here and again where they are scored: a fifteenth of the time of all metrics, and no
    distances have to be kept.
    """
    return operating_point.gather(_each_video(_grid_of_video, work, jobs))


def _grid_of_video(work: Comparison, video: Video) -> operating_point.GridCounts:
    truth, predicted = work.dataset.tracks_by_video[video.id], work.predictions[video.id]
    return operating_point.per_video(mot.box_distances(video.length, truth, predicted, work.iou_type))


def _each_video(of_video: Callable[[Comparison, Video], _One], work: Comparison, jobs: int) -> list[_One]:
    videos = sorted(work.dataset.videos, key=lambda video: video.id)
    if min(jobs, len(videos)) <= 1:
        return [of_video(work, video) for video in videos]
    from concurrent.futures import ProcessPoolExecutor  # only here: loading it takes longer than a small job

    with ProcessPoolExecutor(jobs, initializer=_keep, initargs=(of_video, work)) as pool:
        return list(pool.map(_of_kept, videos, chunksize=_VIDEOS_PER_TASK))


def measure_video(work: Comparison, video: Video) -> VideoMeasures:
    """Measure one video; masks of different categories are compared only where a metric needs it."""
    metrics = set(work.metrics)
    truth, predicted = work.dataset.tracks_by_video[video.id], work.predictions[video.id]
    overlap = None
    if metrics - {"mot"}:
        overlap = video_overlap(
            video.id,
            video.length,
            truth,
            predicted,
            work.iou_type,
            within_categories=metrics <= {"ap", "frame_ap"},
            least_iou=float(IOU_THRESHOLDS.min()) if metrics == {"ap"} else 0.0,
            masks_in_all=work.masks,
        )
    distances = None
    if "mot" in metrics:
        distances = mot.box_distances(video.length, truth, predicted, work.iou_type)
    above = work.above.get(video.id)
    return VideoMeasures(
        video_ap=video_ap.per_video(overlap) if overlap and "ap" in metrics else None,
        frame_ap=frame_ap.per_video(overlap) if overlap and "frame_ap" in metrics else None,
        mot=() if distances is None else _mot(distances),
        hota=() if overlap is None or "hota" not in metrics else _hota(overlap),
        errors=temporal_errors.per_video(overlap) if overlap and "errors" in metrics else None,
        point_mot=None
        if distances is None or above is None
        else mot.per_video(distances, class_aware=False, above=above),
        point_hota=None
        if overlap is None or above is None or "hota" not in metrics
        else hota.per_video(overlap, class_aware=False, above=above),
        duplicates=()
        if overlap is None or above is None or "duplicates" not in metrics
        else tuple(duplicates.per_video(overlap, at) for at in (above, duplicates.SCORE_THRESHOLD)),
    )


def _mot(distances: mot.BoxDistances) -> tuple[mot.MotCounts, ...]:
    return tuple(
        mot.per_video(distances, class_aware=CLASS_MODES[mode], above=MOT_THRESHOLDS[name])
        for mode, name in MOT_SETTINGS
    )


def _hota(overlap: VideoOverlap) -> tuple[hota.HotaStatistics, ...]:
    return tuple(
        hota.per_video(overlap, class_aware=CLASS_MODES[mode], above=HOTA_THRESHOLDS[name])
        for mode, name in HOTA_SETTINGS
    )


_kept: list[tuple[Callable[[Comparison, Video], Any], Comparison]] = []


def _keep(of_video: Callable[[Comparison, Video], Any], work: Comparison) -> None:
    """A worker process receives the data once, not with every video."""
    _kept[:] = [(of_video, work)]


def _of_kept(video: Video) -> Any:
    of_video, work = _kept[0]
    return of_video(work, video)
