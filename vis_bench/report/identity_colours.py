"""Which colour a predicted track gets: the colour of the annotated object that it overlaps most."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vis_bench import rle
from vis_bench.metrics.overlap import sequence_iou, video_overlap
from vis_bench.types import Box, IouType, Track, TruthTrack, Video

# With less than half of its pixels on annotated objects no object can reach IoU 0.5 with the track.
MIN_SHARE_ON_OBJECTS = 0.5


def closest_truth(
    predicted: Sequence[Track], truth: Sequence[TruthTrack], video: Video
) -> tuple[int | None, ...]:
    """For each predicted track the position of the truth track with the highest video IoU.

    None for a background track: less than half of its pixels, over the whole video, lie on annotated objects.
    Equal IoUs go to the first truth track. Boxes are compared where no prediction has a mask.
    """
    if not truth or not predicted:
        return (None,) * len(predicted)
    iou_type: IouType = "bbox" if all(only_boxes(track) for track in predicted) else "segm"
    overlap = video_overlap(video.id, video.length, truth, predicted, iou_type)
    on_objects = np.zeros(len(predicted))
    for frame in overlap.frames:
        on_objects[frame.predictions] += frame.intersection.sum(axis=0)
    background = on_objects < MIN_SHARE_ON_OBJECTS * overlap.area.sum(axis=1)
    iou = sequence_iou(overlap)
    return tuple(
        None if background[column] or iou[:, column].max() == 0 else int(iou[:, column].argmax())
        for column in range(len(predicted))
    )


def only_boxes(track: Track) -> bool:
    """Whether a track predicts boxes and not one mask."""
    return track.boxes is not None and all(mask is None for mask in track.segmentations)


def track_region(track: Track | TruthTrack, frame: int, video: Video) -> np.ndarray | None:
    """The region of a track in one frame (0-based): its mask, bool [H, W], None where it is absent.

    Predictions without any mask are drawn as filled boxes.
    """
    segmentation = track.segmentations[frame]
    if segmentation is not None:
        return rle.decode(segmentation)
    if isinstance(track, Track) and track.boxes is not None and only_boxes(track):
        box = track.boxes[frame]
        return None if box is None else _box_mask(box, video)
    return None


def _box_mask(box: Box, video: Video) -> np.ndarray:
    x, y, width, height = box
    mask = np.zeros((video.height, video.width), dtype=bool)
    mask[max(0, round(y)) : max(0, round(y + height)), max(0, round(x)) : max(0, round(x + width))] = True
    return mask
