"""Refuses predictions that the official evaluators would score silently and wrongly."""

from __future__ import annotations

import math
from collections.abc import Sequence

from vis_bench.errors import DataError
from vis_bench.masks.boxes import is_usable
from vis_bench.masks.mask_text import MaskRow
from vis_bench.types import Dataset, IouType, Track, TruthTrack, Video


def check_tracks(dataset: Dataset, tracks: Sequence[Track], iou_type: IouType = "bbox") -> None:
    """Check that every track fits the data set; readers of files check more and name the file.

    Raises DataError for an unknown video or category, a score that is not finite, a list of masks or boxes
    that is not as long as the video, masks of another size than the video, boxes that are none where boxes
    are scored (iou_type), and truth without a mask where masks are.
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
        _check_masks(video, track, where, iou_type)
    masks = False
    for truth in dataset.tracks or ():
        _check_masks(dataset.video_by_id[truth.video_id], truth, f"annotation {truth.id}", iou_type)
        masks = masks or any(rle is not None for rle in truth.segmentations)
    if iou_type == "segm" and not masks and any(any(truth.boxes) for truth in dataset.tracks or ()):
        raise DataError(
            f"{dataset.name} {dataset.split}: its truth has boxes and not one mask. Score the "
            "boxes: vis-bench eval --iou-type bbox."
        )


def _check_masks(video: Video, track: Track | TruthTrack, where: str, iou_type: IouType) -> None:
    lists = {"segmentations": track.segmentations, "boxes": track.boxes}
    for name, entries in lists.items():
        if entries is not None and len(entries) != video.length:
            raise DataError(
                f"{where}: {len(entries)} {name} for video {video.id} of {video.length} frames; "
                "write one entry per frame, null where the object is absent."
            )
    for t, box in enumerate((track.boxes or ()) if iou_type == "bbox" else ()):
        if box is not None and not is_usable(box):
            raise DataError(
                f"{where}: the box of frame {t} is {box}; a box is (x, y, width, height), finite numbers, no "
                "side below 0."
            )
    size = [video.height, video.width]
    if isinstance(track.segmentations, MaskRow) and track.segmentations.size == (video.height, video.width):
        return
    if all(rle is None or rle["size"] == size for rle in track.segmentations):
        return
    for t, rle in enumerate(track.segmentations):
        if rle is not None and list(rle["size"]) != size:
            raise DataError(
                f"{where}: the mask of frame {t} has size {list(rle['size'])}, video {video.id} is {size} "
                "(height, width); resize masks to the original size before encoding."
            )
