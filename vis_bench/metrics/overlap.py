"""Areas and overlaps of all truth and predicted tracks of one video, computed once for every metric."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike
from pycocotools import mask as coco_mask

from vis_bench.masks.mask_text import MaskRow
from vis_bench.metrics.mask_overlap import mask_areas, reachable, shared_masks, written_masks
from vis_bench.metrics.occlusion import occlusion
from vis_bench.types import Box, IouType, Rle, Track, TruthTrack


@dataclass(frozen=True, slots=True)
class FrameOverlap:
    """Overlaps of one frame, restricted to the tracks that are present in it.

    truths: [g] int64 rows of the truth tracks. predictions: [d] int64 rows of the predicted tracks.
    intersection: [g, d] float64 in pixels (whole numbers for masks).
    """

    truths: np.ndarray
    predictions: np.ndarray
    intersection: np.ndarray


@dataclass(frozen=True)
class VideoOverlap:
    """Everything that AP and HOTA need to know about one video with G truth and D predicted tracks, L frames.

    Rows keep the order in which the tracks were given. truth_categories [G] and categories [D]: int64 ids.
    crowd: [G] bool. scores: [D] float64. truth_area [G, L] and area [D, L]: pixels as drawn, 0 where absent.
    truth_mean_area [G] and mean_area [D]: mean over frames with area > 0, 0 if there is none; the truth's
    comes from the areas written in the annotation file (for `bbox` from the boxes). truth_occlusion: [G]
    float64 in 0..1, NaN without labels. written_truth [G, L] and written [D, L]: bool, where the file has an
    entry, which may have no pixel. shared: [L, G, D] float64, intersections in pixels (whole numbers for
    masks).
    """

    video_id: int
    truth_categories: np.ndarray
    crowd: np.ndarray
    truth_area: np.ndarray
    truth_mean_area: np.ndarray
    truth_occlusion: np.ndarray
    categories: np.ndarray
    scores: np.ndarray
    area: np.ndarray
    mean_area: np.ndarray
    written_truth: np.ndarray
    written: np.ndarray
    shared: np.ndarray

    @property
    def present_truth(self) -> np.ndarray:
        """Where each truth track is: [G, L] bool. A mask without a pixel is absence, as null is."""
        return self.truth_area > 0

    @property
    def present(self) -> np.ndarray:
        """Where each prediction is: [D, L] bool."""
        return self.area > 0

    @cached_property
    def frames(self) -> tuple[FrameOverlap, ...]:
        """L frames with the tracks that are present in each."""
        rows = [np.flatnonzero(present) for present in self.present_truth.T]
        columns = [np.flatnonzero(present) for present in self.present.T]
        return tuple(
            FrameOverlap(g, d, shared[g[:, None], d])
            for g, d, shared in zip(rows, columns, self.shared, strict=True)
        )


def video_overlap(
    video_id: int,
    length: int,
    truth: Sequence[TruthTrack],
    predictions: Sequence[Track],
    iou_type: IouType = "segm",
    *,
    within_categories: bool = False,
    least_iou: float = 0.0,
    masks_in_all: int = 0,
) -> VideoOverlap:
    """Measure all overlaps of one video.

    within_categories: masks of different categories are not compared (0 shared pixels), which is all that AP
    needs. least_iou: masks of tracks whose areas alone keep the IoU of the whole tracks below this are not
    compared either. masks_in_all: masks of the whole data set, see `shared_masks`.

    A track is present in a frame when it has a mask with a pixel there (for `bbox`: a box with an area, or a
    mask whose tight box is taken). Every track must have `length` entries and masks of one size;
    `scoring.evaluate` checks that.

    Source: youtubevos/cocoapi, `YTVOSeval.computeIoU` (counts are added over frames before dividing) and
    `YTVOS.loadRes`, `YTVOS.createIndex` (mean areas).
    """
    if iou_type == "segm":
        truth_shapes: list[Sequence] = [track.segmentations for track in truth]
        shapes: list[Sequence] = [track.segmentations for track in predictions]
        truth_area, area = mask_areas(truth_shapes, length), mask_areas(shapes, length)
        compared = _compared(truth, predictions, within_categories) & reachable(truth_area, area, least_iou)
        shared = shared_masks(truth_shapes, shapes, compared, area, masks_in_all)
        written_area = [[area or 0.0 for area in track.areas] for track in truth]
        truth_mean_area = _mean_of_positive(np.array(written_area, dtype=float).reshape(len(truth), length))
    else:
        truth_shapes = [track_boxes(track.boxes, track.segmentations) for track in truth]
        shapes = [track_boxes(track.boxes, track.segmentations) for track in predictions]
        truth_area, area = _box_areas(truth_shapes, length), _box_areas(shapes, length)
        truth_mean_area = _mean_of_positive(truth_area)
        shared = _shared_boxes(truth_shapes, shapes, length)

    return VideoOverlap(
        video_id=video_id,
        truth_categories=np.array([track.category_id for track in truth], dtype=np.int64),
        crowd=np.array([track.is_crowd for track in truth], dtype=bool),
        truth_area=truth_area,
        truth_mean_area=truth_mean_area,
        truth_occlusion=np.array([occlusion(track) for track in truth], dtype=float),
        categories=np.array([track.category_id for track in predictions], dtype=np.int64),
        scores=np.array([track.score for track in predictions], dtype=float),
        area=area,
        mean_area=_mean_of_positive(area),
        written_truth=written_masks(truth_shapes, length),
        written=written_masks(shapes, length),
        shared=shared,
    )


def _compared(
    truth: Sequence[TruthTrack], predictions: Sequence[Track], within_categories: bool
) -> np.ndarray:
    """Which pairs of tracks are measured: [G, D] bool."""
    first = np.array([track.category_id for track in truth], dtype=np.int64)
    second = np.array([track.category_id for track in predictions], dtype=np.int64)
    return (first[:, None] == second[None, :]) | (not within_categories)


def sequence_iou(overlap: VideoOverlap) -> np.ndarray:
    """IoU of whole tracks: [G, D] float64 in 0..1, sum of intersections over sum of unions, 0/0 is 0.

    A frame in which only one of the two has a mask adds that mask's area to the union.
    Source: Yang et al., Video Instance Segmentation, ICCV 2019, equation 2; youtubevos/cocoapi.
    """
    shared = np.zeros((len(overlap.truth_area), len(overlap.area)))
    for frame in overlap.shared:  # one after the other: sums of boxes depend on the order
        shared += frame
    union = overlap.truth_area.sum(axis=1)[:, None] + overlap.area.sum(axis=1)[None, :] - shared
    return divide_or_zero(shared, union)


def frame_iou(overlap: VideoOverlap, t: int) -> np.ndarray:
    """IoU of the masks (or boxes) present in frame t: [g, d] float64 in 0..1, 0/0 is 0."""
    frame = overlap.frames[t]
    truth_area, area = overlap.truth_area[frame.truths, t], overlap.area[frame.predictions, t]
    return divide_or_zero(frame.intersection, truth_area[:, None] + area[None, :] - frame.intersection)


def every_frame_iou(overlap: VideoOverlap) -> np.ndarray:
    """IoU of every pair of tracks in every frame: [L, G, D] float64 in 0..1, 0 where one is absent."""
    union = overlap.truth_area.T[:, :, None] + overlap.area.T[:, None, :] - overlap.shared
    return divide_or_zero(overlap.shared, union)


def divide_or_zero(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """Elementwise quotient, 0 where the denominator is not positive."""
    return np.divide(numerator, denominator, out=np.zeros_like(numerator), where=denominator > 0)


def box_intersections(first: ArrayLike, second: ArrayLike) -> np.ndarray:
    """Area shared by each pair of boxes [n, 4] and [m, 4] (x, y, width, height): [n, m] float64."""
    a = np.array(first, dtype=float).reshape(-1, 1, 4)
    b = np.array(second, dtype=float).reshape(1, -1, 4)
    low = np.maximum(a[..., :2], b[..., :2])
    high = np.minimum(a[..., :2] + a[..., 2:], b[..., :2] + b[..., 2:])
    return np.prod(np.maximum(high - low, 0.0), axis=-1)


def track_boxes(boxes: Sequence[Box | None] | None, segmentations: Sequence[Rle | None]) -> list[Box | None]:
    """One box per frame: the given one, else the tight box of the mask, else None (also for empty masks)."""
    given = boxes if boxes is not None else [None] * len(segmentations)
    missing = [
        t
        for t, (box, rle) in enumerate(zip(given, segmentations, strict=True))
        if box is None and rle is not None
    ]
    result = list(given)
    for t, box in zip(missing, tight_boxes([segmentations[t] for t in missing]), strict=True):
        result[t] = box
    return result


def object_boxes(track: Track | TruthTrack, iou_type: IouType = "segm") -> list[Box | None]:
    """One box per frame, None where the object is absent or has no area.

    segm: the tight boxes of the masks; a track without any mask brings its own. bbox: as `track_boxes`.
    """
    boxes = track_boxes(track.boxes if iou_type == "bbox" else None, track.segmentations)
    if track.boxes is not None and all(box is None for box in boxes):
        boxes = list(track.boxes)
    return [None if box is None or box[2] <= 0 or box[3] <= 0 else box for box in boxes]


def box_array(tracks: Sequence[Track | TruthTrack], length: int, iou_type: IouType) -> np.ndarray:
    """`object_boxes` of n tracks of `length` frames as [L, n, 4] float64, NaN where there is none."""
    result = np.full((len(tracks), length, 4), np.nan)
    for row, track in zip(result, tracks, strict=True):
        masks = track.segmentations
        if iou_type == "segm" and isinstance(masks, MaskRow) and masks.areas().any():
            row[:] = masks.boxes()
            continue
        boxes = object_boxes(track, iou_type)
        there = [t for t, box in enumerate(boxes) if box is not None]
        row[there] = np.array([boxes[t] for t in there], dtype=float).reshape(-1, 4)
    return result.swapaxes(0, 1)


def tight_boxes(masks: Sequence[Rle | None]) -> list[Box | None]:
    """Tight box (x, y, width, height) of each mask in pixels; None for None and for masks without a pixel."""
    result: list[Box | None] = [None] * len(masks)
    present = [t for t, rle in enumerate(masks) if rle is not None]
    if present:
        for t, (x, y, w, h) in zip(
            present, coco_mask.toBbox([masks[t] for t in present]).tolist(), strict=True
        ):
            if w > 0 and h > 0:
                result[t] = (x, y, w, h)
    return result


def _box_areas(boxes: Sequence[Sequence[Box | None]], length: int) -> np.ndarray:
    result = np.zeros((len(boxes), length))
    for i, row in enumerate(boxes):
        for t, box in enumerate(row):
            if box is not None:
                result[i, t] = box[2] * box[3]
    return result


def _shared_boxes(
    first: Sequence[Sequence[Box | None]], second: Sequence[Sequence[Box | None]], length: int
) -> np.ndarray:
    shared = np.zeros((length, len(first), len(second)))
    for t in range(length):
        rows = [(i, box) for i, row in enumerate(first) if (box := row[t]) is not None]
        columns = [(j, box) for j, row in enumerate(second) if (box := row[t]) is not None]
        if rows and columns:
            shared[t][np.ix_([i for i, _ in rows], [j for j, _ in columns])] = box_intersections(
                [box for _, box in rows], [box for _, box in columns]
            )
    return shared


def _mean_of_positive(areas: np.ndarray) -> np.ndarray:
    """Mean over the frames with an area > 0 of each row: [n] float64, 0 without any. areas: [n, L]."""
    if (areas == np.rint(areas)).all():  # so are the sums, in any order
        return divide_or_zero(np.maximum(areas, 0.0).sum(axis=1), (areas > 0).sum(axis=1))
    return np.array([float(row[row > 0].mean()) if (row > 0).any() else 0.0 for row in areas])
