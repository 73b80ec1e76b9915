"""Formats that list objects frame by frame: their entries gathered into objects, and checked on the way."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vis_bench.data.segmentations import SegmentationBatch
from vis_bench.errors import DataError
from vis_bench.integrations.formats.content import Object, with_unique_ids, without_empty
from vis_bench.types import Box, Rle, Video


@dataclass(frozen=True, slots=True)
class Entry:
    """One object in one frame (0-based). mask: as the file has it, not checked yet. where: for errors."""

    video_id: int
    track_id: int
    frame: int
    category_id: int
    mask: object | None
    box: Box | None
    score: float | None
    where: str
    is_crowd: bool = False


def gather(videos: Sequence[Video], entries: Sequence[Entry]) -> tuple[tuple[Object, ...], tuple[str, ...]]:
    """Objects of the entries, in order of first appearance, and notes on what could not be kept.

    Track ids count within a video; they are kept where they are unique over all. The class of an object is
    the one that most of its frames have, its score the mean over its frames. Raises DataError for a frame
    outside the video, an object that is twice in a frame, and broken masks.
    """
    of_video = {video.id: video for video in videos}
    batch = SegmentationBatch(lambda number, _: entries[number].where)
    found: dict[tuple[int, int], dict[int, tuple[Entry, int | None]]] = {}
    for number, entry in enumerate(entries):
        video = of_video[entry.video_id]
        if not 0 <= entry.frame < video.length:
            raise DataError(
                f"{entry.where}: frame {entry.frame} (counted from 0) of {video.name!r}, which has "
                f"{video.length} frames."
            )
        frames = found.setdefault((entry.video_id, entry.track_id), {})
        if entry.frame in frames:
            raise DataError(
                f"{entry.where}: object {entry.track_id} is twice in frame {entry.frame} of {video.name!r}. "
                "Give every object of a video a number of its own."
            )
        slot = None if entry.mask is None else batch.add(entry.mask, video, number, entry.frame)
        frames[entry.frame] = entry, slot
    rles, _ = batch.finish()
    mixed, objects = 0, []
    for (video_id, track_id), frames in found.items():
        one, several = _object(of_video[video_id], track_id, frames, rles)
        objects.append(one)
        mixed += several
    notes = [f"{mixed} objects change class from frame to frame: each has its most frequent one."] * bool(
        mixed
    )
    return with_unique_ids(objects), tuple(notes)


def _object(
    video: Video, track_id: int, frames: Mapping[int, tuple[Entry, int | None]], rles: Sequence[Rle]
) -> tuple[Object, bool]:
    masks: list[Rle | None] = [None] * video.length
    boxes: list[Box | None] = [None] * video.length
    for frame, (entry, slot) in frames.items():
        masks[frame] = None if slot is None else rles[slot]
        boxes[frame] = entry.box
    entries = [entry for entry, _ in frames.values()]
    classes = Counter(entry.category_id for entry in entries)
    has_masks = any(mask is not None for mask in masks)
    one = Object(
        id=track_id,
        video_id=video.id,
        category_id=classes.most_common(1)[0][0],
        score=mean_score([entry.score for entry in entries]),
        segmentations=without_empty(masks),
        boxes=None if has_masks else tuple(boxes),
        is_crowd=all(entry.is_crowd for entry in entries),
    )
    return one, len(classes) > 1


def mean_score(scores: Sequence[float | None]) -> float | None:
    """Mean of the scores that there are, None without any. Equal scores come back to the last bit."""
    known = [score for score in scores if score is not None]
    if not known:
        return None
    return known[0] if len(set(known)) == 1 else math.fsum(known) / len(known)
