"""Comparing every video of a data set with its truth, on one core or several."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from vis_bench.data.bar import bar
from vis_bench.data.records import paused_garbage_collection
from vis_bench.metrics import (
    duplicates,
    frame_ap,
    hota,
    mot,
    mots,
    operating_point,
    temporal_errors,
    teta,
    video_ap,
)
from vis_bench.metrics.duplicates import DuplicateCounts
from vis_bench.metrics.hota import HotaStatistics
from vis_bench.metrics.matching import IOU_THRESHOLDS, VideoMatches
from vis_bench.metrics.mot import MotCounts
from vis_bench.metrics.mots import MotsCounts
from vis_bench.metrics.occlusion import has_labels
from vis_bench.metrics.overlap import VideoOverlap, video_overlap
from vis_bench.metrics.teta import TetaSums
from vis_bench.metrics.track_order import content_order, reordered
from vis_bench.metrics.video_ap import ApRules
from vis_bench.types import Dataset, IouType, Track, Video

CLASS_MODES = {"class_agnostic": False, "class_aware": True}
HOTA_THRESHOLDS = {"all": None, "0.3": 0.3}
"""Score thresholds of HOTA, MOTS and TETA by the name they have in the result; None keeps every
prediction."""
MOT_THRESHOLDS = {str(above): above for above in mot.SCORE_THRESHOLDS}
MOT_SETTINGS = tuple((mode, name) for mode in CLASS_MODES for name in MOT_THRESHOLDS)
HOTA_SETTINGS = tuple((mode, name) for mode in CLASS_MODES for name in HOTA_THRESHOLDS)

AT_OPERATING_POINT = frozenset({"mot", "hota", "duplicates"})
"""Metrics that are scored at the operating point too."""
_One = TypeVar("_One")
_Item = TypeVar("_Item")

# so many videos go to a worker at once that sending costs nothing, and so few that the work is spread evenly
_VIDEOS_PER_TASK = 4
_WITHIN_CATEGORIES = {"video_ap", "frame_ap", "frame_ap_official"}
_HOTA = {"hota", "hota_curves"}
_PRESENT_TRACKS = {*_HOTA, "hota_classes", "duplicates"}


@dataclass(frozen=True, slots=True)
class PointMeasures:
    """One video at one operating point, categories ignored; None for a metric that was not asked for."""

    mot: MotCounts | None
    hota: HotaStatistics | None
    duplicates: DuplicateCounts | None


@dataclass(frozen=True, slots=True)
class VideoMeasures:
    """What every metric needs of one video; None or empty for a metric that was not asked for.

    mot, mot_masks: in the order of MOT_SETTINGS. hota, mots: of HOTA_SETTINGS. hota_classes, teta: of
    HOTA_THRESHOLDS, by category id. duplicates: above `duplicates.SCORE_THRESHOLD`. points: in the order of
    `Comparison.above`.
    """

    video_ap: VideoMatches | None
    video_ap_agnostic: VideoMatches | None
    frame_ap: VideoMatches | None
    frame_ap_official: VideoMatches | None
    mot: tuple[MotCounts, ...]
    mot_masks: tuple[MotCounts, ...]
    mots: tuple[MotsCounts, ...]
    hota: tuple[HotaStatistics, ...]
    hota_classes: tuple[tuple[tuple[int, HotaStatistics], ...], ...]
    teta: tuple[dict[int, TetaSums], ...]
    errors: temporal_errors.ErrorCounts | None
    duplicates: DuplicateCounts | None
    points: tuple[PointMeasures, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """A data set, the predictions of each video by id, what is asked for, and how many masks there are.

    rules: of video AP. above: the score threshold of the operating point by video id, or all that it may
    become; empty where none is asked for or known yet. label: of a bar over the videos, empty for none.
    """

    dataset: Dataset
    predictions: dict[int, list[Track]]
    metrics: frozenset[str]
    iou_type: IouType
    masks: int
    rules: ApRules
    above: Mapping[int, Sequence[float]] = field(default_factory=dict)
    label: str = ""


def comparison(
    dataset: Dataset,
    tracks: Sequence[Track],
    metrics: Sequence[str],
    iou_type: IouType,
    count_crowds: bool = False,
    label: str = "",
) -> Comparison:
    """Sort the predictions by video; their order within a video stays."""
    predictions: dict[int, list[Track]] = {video.id: [] for video in dataset.videos}
    for track in tracks:
        predictions[track.video_id].append(track)
    return Comparison(
        dataset=dataset,
        predictions=predictions,
        metrics=frozenset(metrics),
        iou_type=iou_type,
        masks=sum(len(track.segmentations) for track in tracks),
        rules=ApRules(occlusion=has_labels(dataset.tracks or ()), count_crowds=count_crowds),
        label=label,
    )


def measure_videos(work: Comparison, jobs: int = 1) -> list[VideoMeasures]:
    """Measure all videos, by ascending id; with several jobs in as many processes."""
    return _each_video(measure_video, work, jobs)


def grid_counts(work: Comparison, jobs: int = 1) -> operating_point.GridCounts:
    """What chooses the operating point: counts of boxes at every threshold of the grid, by ascending video
    id.

    Boxes are measured here and again where they are scored: a fifteenth of the time of all metrics, and no
    distances have to be kept.
    """
    return operating_point.gather(_each_video(grid_of_video, work, jobs))


def grid_of_video(work: Comparison, video: Video) -> operating_point.GridCounts:
    """One video's part of `grid_counts`."""
    truth, predicted = work.dataset.tracks_by_video[video.id], work.predictions[video.id]
    return operating_point.per_video(mot.box_distances(video.length, truth, predicted, work.iou_type))


def _each_video(of_video: Callable[[Comparison, Video], _One], work: Comparison, jobs: int) -> list[_One]:
    videos = sorted(work.dataset.videos, key=lambda video: video.id)
    if min(jobs, len(videos)) <= 1:
        with paused_garbage_collection():  # nothing here refers back to itself
            return [of_video(work, video) for video in _watched(videos, work)]
    from concurrent.futures import ProcessPoolExecutor  # only here: loading it takes longer than a small job

    with ProcessPoolExecutor(jobs, initializer=_keep, initargs=(of_video, work)) as pool:
        found = pool.map(_of_kept, videos, chunksize=_VIDEOS_PER_TASK)
        return list(_watched(found, work))


def _watched(items: Iterable[_Item], work: Comparison) -> Iterable[_Item]:
    return bar(items, work.label, "video", len(work.dataset.videos)) if work.label else items


def measure_video(work: Comparison, video: Video) -> VideoMeasures:
    """Measure one video; masks of different categories are compared only where a metric needs it.

    Video AP and the errors keep the order of the files, which the official rule wants; all others see the
    tracks in the order of their content.
    """
    wants = work.metrics.__contains__
    truth, predicted = work.dataset.tracks_by_video[video.id], work.predictions[video.id]
    overlap = _overlap(work, video) if work.metrics - {"mot"} else None
    settled, distances = None, None
    if work.metrics - _WITHIN_CATEGORIES - {"errors", "video_ap_agnostic"}:
        order = content_order(truth), content_order(predicted)
        if overlap is not None:
            settled = reordered(overlap, *order)
        if wants("mot"):
            sorted_truth, sorted_tracks = [truth[i] for i in order[0]], [predicted[i] for i in order[1]]
            distances = mot.box_distances(video.length, sorted_truth, sorted_tracks, work.iou_type)
    tracks = None
    if settled is not None and work.metrics & _PRESENT_TRACKS:
        tracks = hota.present_tracks(settled)
    agnostic = ApRules(class_agnostic=True, count_crowds=work.rules.count_crowds)
    return VideoMeasures(
        video_ap=video_ap.per_video(overlap, work.rules) if overlap and wants("video_ap") else None,
        video_ap_agnostic=video_ap.per_video(overlap, agnostic)
        if overlap and wants("video_ap_agnostic")
        else None,
        frame_ap=frame_ap.per_video(overlap) if overlap and wants("frame_ap") else None,
        frame_ap_official=frame_ap.per_video(overlap, count_empty=True)
        if overlap and wants("frame_ap_official")
        else None,
        mot=() if distances is None else _mot(distances),
        mot_masks=_mot(mot.mask_distances(settled)) if settled and wants("mot_masks") else (),
        mots=_mots(settled) if settled and wants("mots") else (),
        hota=_hota(tracks) if tracks and work.metrics & _HOTA else (),
        hota_classes=tuple(tuple(hota.per_class(tracks, least)) for least in HOTA_THRESHOLDS.values())
        if tracks and wants("hota_classes")
        else (),
        teta=tuple(teta.per_video(settled, least) for least in HOTA_THRESHOLDS.values())
        if settled and wants("teta")
        else (),
        errors=temporal_errors.per_video(overlap) if overlap and wants("errors") else None,
        duplicates=duplicates.per_video(tracks, duplicates.SCORE_THRESHOLD)
        if tracks and wants("duplicates")
        else None,
        points=tuple(
            PointMeasures(
                mot=mot.per_video(distances, class_aware=False, above=above) if distances else None,
                hota=hota.per_video(tracks, class_aware=False, above=above)
                if tracks and wants("hota")
                else None,
                duplicates=duplicates.per_video(tracks, above) if tracks and wants("duplicates") else None,
            )
            for above in work.above.get(video.id, ())
        ),
    )


def _overlap(work: Comparison, video: Video) -> VideoOverlap:
    return video_overlap(
        video.id,
        video.length,
        work.dataset.tracks_by_video[video.id],
        work.predictions[video.id],
        work.iou_type,
        within_categories=work.metrics <= _WITHIN_CATEGORIES,
        least_iou=float(IOU_THRESHOLDS.min()) if work.metrics == {"video_ap"} else 0.0,
        masks_in_all=work.masks,
    )


def _mot(distances: mot.TrackDistances) -> tuple[mot.MotCounts, ...]:
    settings = [
        {"class_aware": CLASS_MODES[mode], "above": MOT_THRESHOLDS[name]} for mode, name in MOT_SETTINGS
    ]
    return _each_setting(distances, settings, mot.setting, mot.per_video)


def _mots(overlap: VideoOverlap) -> tuple[mots.MotsCounts, ...]:
    return tuple(
        mots.per_video(overlap, class_aware=CLASS_MODES[mode], above=HOTA_THRESHOLDS[name])
        for mode, name in HOTA_SETTINGS
    )


def _hota(tracks: hota.PresentTracks) -> tuple[hota.HotaStatistics, ...]:
    settings = [
        {"class_aware": CLASS_MODES[mode], "above": HOTA_THRESHOLDS[name]} for mode, name in HOTA_SETTINGS
    ]
    return _each_setting(tracks, settings, hota.setting, hota.per_video)


def _each_setting(
    video: Any,
    settings: Sequence[dict[str, Any]],
    same: Callable[..., Hashable],
    measured: Callable[..., _One],
) -> tuple[_One, ...]:
    """One video under all settings; those that come to the same are measured once."""
    known: dict[Hashable, _One] = {}
    result = []
    for setting in settings:
        key = same(video, **setting)
        if key not in known:
            known[key] = measured(video, **setting)
        result.append(known[key])
    return tuple(result)


_kept: list[tuple[Callable[[Comparison, Video], Any], Comparison]] = []


def _keep(of_video: Callable[[Comparison, Video], Any], work: Comparison) -> None:
    """A worker process receives the data once, not with every video."""
    _kept[:] = [(of_video, work)]


def _of_kept(video: Video) -> Any:
    of_video, work = _kept[0]
    return of_video(work, video)
