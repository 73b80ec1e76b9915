"""Score predictions against a data set: the numbers behind `vis-bench eval`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, get_args

import numpy as np

from vis_bench.errors import DataError, UsageError, did_you_mean
from vis_bench.metrics import frame_ap, hota, mot, video_ap
from vis_bench.metrics.overlap import IouType, video_overlap
from vis_bench.types import Dataset, Track, TruthTrack, Video

METRICS = ("ap", "frame_ap", "mot", "hota")
HOTA_THRESHOLDS = {"all": None, "0.3": 0.3}
"""Score thresholds of HOTA by the name they have in the result; None keeps every prediction."""
CLASS_MODES = {"class_agnostic": False, "class_aware": True}


def evaluate(
    dataset: Dataset,
    tracks: Sequence[Track],
    metrics: Sequence[str] = METRICS,
    iou_type: IouType = "segm",
) -> dict[str, Any]:
    """Score `tracks` on every video of `dataset`, predicted or not.

    metrics: any of `ap` (keys video_ap, per_category), `frame_ap`, `mot`, `hota`. iou_type: `segm` for masks,
    `bbox` for boxes (AP, frame AP and HOTA; MOT always uses boxes). Returns plain dictionaries: Python floats
    in 0..1 at full precision (MOTA may be negative), None where undefined, counts as ints. The order of
    `tracks` matters only between equal scores. Inputs are not modified.

    Raises UsageError for an unknown metric or IoU type, DataError if the truth is hidden or a track does not
    fit its video.
    """
    for name in metrics:
        if name not in METRICS:
            raise UsageError(f"unknown metric {name!r}.{did_you_mean(name, METRICS)}")
    if iou_type not in get_args(IouType):
        raise UsageError(f"unknown IoU type {iou_type!r}.{did_you_mean(iou_type, get_args(IouType))}")
    if dataset.tracks is None:
        raise DataError(
            f"{dataset.name} {dataset.split}: this split has no public truth, so nothing can be scored here. "
            "Score a split with annotations (for example one cut from the training set), "
            "or write a submission for the official server."
        )
    check_tracks(dataset, tracks)

    predictions: dict[int, list[Track]] = {video.id: [] for video in dataset.videos}
    for track in tracks:
        predictions[track.video_id].append(track)
    video_matches, frame_matches = [], []
    mot_counts: dict[tuple[str, float], list[mot.MotCounts]] = {
        (mode, above): [] for mode in CLASS_MODES for above in mot.SCORE_THRESHOLDS
    }
    hota_sums: dict[tuple[str, str], list[hota.HotaStatistics]] = {
        (mode, name): [] for mode in CLASS_MODES for name in HOTA_THRESHOLDS
    }
    videos = sorted(dataset.videos, key=lambda video: video.id)
    for video in videos:
        truth, predicted = dataset.tracks_by_video[video.id], predictions[video.id]
        if set(metrics) - {"mot"}:
            overlap = video_overlap(video.id, video.length, truth, predicted, iou_type)
            if "ap" in metrics:
                video_matches.append(video_ap.per_video(overlap))
            if "frame_ap" in metrics:
                frame_matches.append(frame_ap.per_video(overlap))
            if "hota" in metrics:
                for (mode, name), sums in hota_sums.items():
                    sums.append(
                        hota.per_video(overlap, class_aware=CLASS_MODES[mode], above=HOTA_THRESHOLDS[name])
                    )
        if "mot" in metrics:
            distances = mot.box_distances(video.length, truth, predicted)
            for (mode, above), counts in mot_counts.items():
                counts.append(mot.per_video(distances, class_aware=CLASS_MODES[mode], above=above))

    result: dict[str, Any] = {}
    ones = np.ones((1, len(videos)))
    category_ids = [category.id for category in dataset.categories]
    if "ap" in metrics:
        statistics = video_ap.gather(video_matches, category_ids)
        result["video_ap"] = _plain(video_ap.reduce(statistics, ones))
        by_category = video_ap.reduce_categories(statistics, ones)
        column = {int(category): k for k, category in enumerate(statistics.category_ids)}
        result["per_category"] = {
            category.name: _plain(
                {name: value[:, column[category.id]] for name, value in by_category.items()}
            )
            for category in dataset.categories
        }
    if "frame_ap" in metrics:
        result["frame_ap"] = _plain(frame_ap.reduce(frame_ap.gather(frame_matches, category_ids), ones))
    if "mot" in metrics:
        result["mot"] = {mode: {} for mode in CLASS_MODES}
        for (mode, above), counts in mot_counts.items():
            result["mot"][mode][str(above)] = _plain(mot.reduce(mot.gather(counts), ones), mot.COUNTS)
    if "hota" in metrics:
        result["hota"] = {mode: {} for mode in CLASS_MODES}
        for (mode, name), sums in hota_sums.items():
            result["hota"][mode][name] = _plain(hota.reduce(hota.gather(sums), ones))
    return result


def check_tracks(dataset: Dataset, tracks: Sequence[Track]) -> None:
    """Refuse predictions that the official evaluators would score silently and wrongly.

    Raises DataError for an unknown video or category, a score that is not finite, a list of masks or boxes
    that is not as long as the video, and masks of another size than the video.
    """
    for position, track in enumerate(tracks):
        video = dataset.video_by_id.get(track.video_id)
        where = f"prediction {position}"
        if video is None:
            raise DataError(f"{where}: video id {track.video_id} is not in {dataset.name} {dataset.split}.")
        if track.category_id not in dataset.label_of_category:
            raise DataError(f"{where}: category id {track.category_id} is not in {dataset.name}.")
        if not math.isfinite(track.score):
            raise DataError(f"{where}: the score is {track.score}; every score has to be a finite number.")
        _check_masks(video, track, where)
    for truth in dataset.tracks or ():
        _check_masks(dataset.video_by_id[truth.video_id], truth, f"annotation {truth.id}")


def _check_masks(video: Video, track: Track | TruthTrack, where: str) -> None:
    lists = {"segmentations": track.segmentations, "boxes": track.boxes}
    for name, entries in lists.items():
        if entries is not None and len(entries) != video.length:
            raise DataError(
                f"{where}: {len(entries)} {name} for video {video.id} of {video.length} frames; "
                "write one entry per frame, null where the object is absent."
            )
    size = [video.height, video.width]
    for t, rle in enumerate(track.segmentations):
        if rle is not None and list(rle["size"]) != size:
            raise DataError(
                f"{where}: the mask of frame {t} has size {list(rle['size'])}, video {video.id} is {size} "
                "(height, width); resize masks to the original size before encoding."
            )


def _plain(values: dict[str, np.ndarray], counts: Sequence[str] = ()) -> dict[str, float | int | None]:
    """First replicate as Python numbers: ints for counts, None for NaN."""
    return {
        name: round(float(value[0])) if name in counts else None if np.isnan(value[0]) else float(value[0])
        for name, value in values.items()
    }
