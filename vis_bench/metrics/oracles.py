"""Two oracles that tell which half of a method is good: the truth's association, and the truth's masks.

Both change the predicted tracks, which are then scored as usual. The definitions are in docs/errors.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from vis_bench.metrics.overlap import VideoOverlap, frame_iou, track_boxes, video_overlap
from vis_bench.types import Box, Dataset, IouType, Rle, Track, TruthTrack

MIN_IOU = 0.5


def with_truth_association(
    dataset: Dataset, tracks: Sequence[Track], iou_type: IouType = "segm"
) -> list[Track]:
    """The predicted masks of every frame, linked as the truth links them.

    Every object that gets a mask in some frame (see `oracle_links`, `follow_up`) becomes one track of its
    category with these masks and the largest score of their tracks. A track of which no object took anything
    stays as it is; what is left of the others is dropped, as it is no track under a right association.
    """
    result: list[Track] = []
    for truth, predicted, overlap in _videos(dataset, tracks, iou_type):
        links = follow_up(oracle_links(overlap), overlap.present)
        result += [
            _linked(one, predicted, links[:, g]) for g, one in enumerate(truth) if (links[:, g] >= 0).any()
        ]
        result += [track for d, track in enumerate(predicted) if not (links == d).any()]
    return result


def with_truth_masks(dataset: Dataset, tracks: Sequence[Track], iou_type: IouType = "segm") -> list[Track]:
    """The predicted tracks, with the object's own mask in every frame where they follow an object.

    For `bbox` its box, or the tight box of its mask where the truth has no box. Scores, categories and
    identities stay; so do the masks that follow nothing.
    """
    result: list[Track] = []
    for truth, predicted, overlap in _videos(dataset, tracks, iou_type):
        links = oracle_links(overlap)
        own = [_shapes(one, iou_type) for one in truth]
        for d, track in enumerate(predicted):
            shapes = _shapes(track, iou_type)
            for t, g in np.argwhere(links == d).tolist():
                shapes[t] = own[g][t]
            if iou_type == "segm":
                result.append(replace(track, segmentations=tuple(shapes)))
            else:
                result.append(replace(track, boxes=tuple(shapes)))
    return result


def oracle_links(overlap: VideoOverlap) -> np.ndarray:
    """The prediction that takes each object in each frame: [L, G] int64 rows of the predictions, -1 for none.

    Every frame by itself, by descending score of the track (stable): a mask takes the free object of its
    category with the largest IoU, if that is at least 0.5. Crowd truth takes nothing.
    """
    links = np.full((len(overlap.frames), len(overlap.truth_area)), -1, dtype=np.int64)
    for t, frame in enumerate(overlap.frames):
        same = overlap.truth_categories[frame.truths][:, None] == overlap.categories[frame.predictions][None]
        iou = np.where(same & ~overlap.crowd[frame.truths][:, None], frame_iou(overlap, t), 0.0)
        for column in np.argsort(-overlap.scores[frame.predictions], kind="stable"):
            row = int(iou[:, column].argmax()) if len(iou) else -1
            if row >= 0 and iou[row, column] >= MIN_IOU:
                links[t, frame.truths[row]] = frame.predictions[column]
                iou[row] = 0.0
    return links


def follow_up(links: np.ndarray, present: np.ndarray) -> np.ndarray:
    """Links in which a track also brings its other masks to the object it was linked with last.

    links: [L, G] as from `oracle_links`. present: [D, L] bool, where each prediction has a mask. In a frame
    where a track has a mask that no object took, the object that it was linked with last before (else first
    after) gets it, unless it has one already.
    """
    result = links.copy()
    for d, frames in enumerate(present):
        linked = [(t, int(g)) for t in np.flatnonzero(frames) for g in np.flatnonzero(links[t] == d)]
        if not linked:
            continue
        own = {int(t): g for t, g in linked}
        last = linked[0][1]
        for t in np.flatnonzero(frames).tolist():
            last = own.get(t, last)
            if t not in own and result[t, last] < 0:
                result[t, last] = d
    return result


def _videos(
    dataset: Dataset, tracks: Sequence[Track], iou_type: IouType
) -> Iterator[tuple[tuple[TruthTrack, ...], list[Track], VideoOverlap]]:
    by_video: dict[int, list[Track]] = {video.id: [] for video in dataset.videos}
    for track in tracks:
        by_video[track.video_id].append(track)
    for video in dataset.videos:
        truth, predicted = dataset.tracks_by_video[video.id], by_video[video.id]
        yield (
            truth,
            predicted,
            video_overlap(video.id, video.length, truth, predicted, iou_type, within_categories=True),
        )


def _linked(truth: TruthTrack, predicted: Sequence[Track], rows: np.ndarray) -> Track:
    """One track from the mask of prediction rows[t] in every frame t, none where it is -1."""
    masks: list[Rle | None] = [None] * len(rows)
    boxes: list[Box | None] = [None] * len(rows)
    for t in np.flatnonzero(rows >= 0).tolist():
        source = predicted[rows[t]]
        masks[t] = source.segmentations[t]
        boxes[t] = source.boxes[t] if source.boxes else None
    scores = [predicted[row].score for row in rows[rows >= 0]]
    has_boxes = any(box is not None for box in boxes)
    return Track(
        video_id=truth.video_id,
        category_id=truth.category_id,
        score=max(scores),
        segmentations=tuple(masks),
        boxes=tuple(boxes) if has_boxes else None,
    )


def _shapes(track: Track | TruthTrack, iou_type: IouType) -> list[Any]:
    """What a track is scored by in every frame, None where it is absent: its masks, or its boxes."""
    if iou_type == "segm":
        return list(track.segmentations)
    return track_boxes(track.boxes, track.segmentations)
