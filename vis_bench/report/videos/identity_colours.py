"""Which colour a predicted track gets: the colour of the annotated object that it overlaps most."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vis_bench.masks import rle
from vis_bench.metrics.overlap import VideoOverlap, sequence_iou, track_boxes, video_overlap
from vis_bench.types import Box, IouType, Track, TruthTrack, Video

# With less than half of its pixels on annotated objects no object can reach IoU 0.5 with the track.
MIN_SHARE_ON_OBJECTS = 0.5


def closest_truth(
    predicted: Sequence[Track], truth: Sequence[TruthTrack], video: Video, iou_type: IouType = "segm"
) -> tuple[int | None, ...]:
    """For each predicted track the position of the truth track with the highest video IoU.

    None for a background track: less than half of its pixels, over the whole video, lie on annotated objects.
    Equal IoUs go to the first truth track. iou_type: whether masks or boxes are compared.
    """
    if not truth or not predicted:
        return (None,) * len(predicted)
    return closest_by_overlap(video_overlap(video.id, video.length, truth, predicted, iou_type))


def closest_by_overlap(overlap: VideoOverlap) -> tuple[int | None, ...]:
    """As `closest_truth`, from overlaps that have been measured: one entry per predicted track."""
    if not len(overlap.truth_area):
        return (None,) * len(overlap.area)
    on_objects = np.zeros(len(overlap.area))
    for frame in overlap.frames:
        on_objects[frame.predictions] += frame.intersection.sum(axis=0)
    background = on_objects < MIN_SHARE_ON_OBJECTS * overlap.area.sum(axis=1)
    iou = sequence_iou(overlap)
    return tuple(
        None if background[column] or iou[:, column].max() == 0 else int(iou[:, column].argmax())
        for column in range(len(overlap.area))
    )


def track_region(
    track: Track | TruthTrack, frame: int, video: Video, iou_type: IouType = "segm"
) -> np.ndarray | None:
    """The region of a track in one frame (0-based) as bool [H, W], None where it is absent.

    segm: its mask. bbox: its box, filled, rounded to whole pixels; the tight box of the mask where none is
    given.
    """
    segmentation = track.segmentations[frame]
    if iou_type == "segm":
        return None if segmentation is None else rle.decode(segmentation)
    given = None if track.boxes is None else (track.boxes[frame],)
    box = track_boxes(given, (segmentation,))[0]
    return None if box is None else _box_mask(box, video)


def _box_mask(box: Box, video: Video) -> np.ndarray:
    x, y, width, height = box
    mask = np.zeros((video.height, video.width), dtype=bool)
    mask[max(0, round(y)) : max(0, round(y + height)), max(0, round(x)) : max(0, round(x + width))] = True
    return mask
