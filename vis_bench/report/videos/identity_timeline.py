"""Who followed whom in one video, as spans of frames: the rows of the viewer's timeline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vis_bench.metrics.frame_links import follow, present_frames
from vis_bench.metrics.overlap import video_overlap
from vis_bench.metrics.temporal_errors import SCORE_THRESHOLD, TemporalError, events
from vis_bench.report.videos.identity_colours import closest_by_overlap
from vis_bench.types import IouType, Track, TruthTrack, Video

LEAST_SCORE, MOST_LOW = 0.05, 10
"""Of tracks that are scored too low for the errors, the ten best of a video above this score are kept."""


@dataclass(frozen=True, slots=True)
class Span:
    """Frames start..stop - 1 in which an object is visible. track: the one that follows it, None for none."""

    start: int
    stop: int
    track: int | None


@dataclass(frozen=True, slots=True)
class LastingError:
    """A temporal error with the same objects and tracks in `frames` consecutive frames from `start` on.

    kind: of `temporal_errors.KINDS`. truths, tracks: positions in the video's truth and in `Timeline.tracks`,
    in the order of `TemporalError`.
    """

    kind: str
    start: int
    frames: int
    truths: tuple[int, ...]
    tracks: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Timeline:
    """One run on one video.

    tracks: those scored above 0.3, the best first. low: the best of the others, which follow nothing and err
    nowhere. closest: per track of both the position of the object whose colour it gets, None for background.
    objects: the spans of each object. errors: by first frame.
    """

    tracks: tuple[Track, ...]
    low: tuple[Track, ...]
    closest: tuple[int | None, ...]
    objects: tuple[tuple[Span, ...], ...]
    errors: tuple[LastingError, ...]


def timeline(
    video: Video, truth: Sequence[TruthTrack], tracks: Sequence[Track], iou_type: IouType = "segm"
) -> Timeline:
    """Follow every object of a video through the tracks of one run; tracks of other videos are ignored."""
    own = sorted((track for track in tracks if track.video_id == video.id), key=lambda track: -track.score)
    kept = tuple(track for track in own if track.score > SCORE_THRESHOLD)
    low = tuple(track for track in own[len(kept) :] if track.score > LEAST_SCORE)[:MOST_LOW]
    overlap = video_overlap(video.id, video.length, truth, kept, iou_type)
    assigned = follow(overlap, present_frames(overlap, SCORE_THRESHOLD))
    visible = overlap.truth_area > 0
    found = events(overlap, range(len(truth)), range(len(kept)))
    beside = video_overlap(video.id, video.length, truth, low, iou_type)
    return Timeline(
        tracks=kept,
        low=low,
        closest=(*closest_by_overlap(overlap), *closest_by_overlap(beside)),
        objects=tuple(spans(assigned[:, g], visible[g]) for g in range(len(truth))),
        errors=lasting(found),
    )


def spans(assigned: np.ndarray, visible: np.ndarray) -> tuple[Span, ...]:
    """Runs of equal track. assigned: [L] int64, -1 for none. visible: [L] bool; other frames have no span."""
    result: list[Span] = []
    for t in np.flatnonzero(visible).tolist():
        track = int(assigned[t]) if assigned[t] >= 0 else None
        last = result[-1] if result else None
        if last is not None and (last.stop, last.track) == (t, track):
            result[-1] = Span(last.start, t + 1, track)
        else:
            result.append(Span(t, t + 1, track))
    return tuple(result)


def lasting(found: Sequence[TemporalError]) -> tuple[LastingError, ...]:
    """Errors of one video, ascending by frame, with those that go on from frame to frame joined."""
    result: list[LastingError] = []
    open_at: dict[tuple[str, tuple[int, ...], tuple[int, ...]], int] = {}
    for error in found:
        key = (error.kind, error.truth_ids, error.tracks)
        place = open_at.get(key)
        if place is not None and result[place].start + result[place].frames == error.frame:
            first = result[place]
            result[place] = LastingError(
                first.kind, first.start, first.frames + 1, first.truths, first.tracks
            )
        else:
            open_at[key] = len(result)
            result.append(LastingError(error.kind, error.frame, 1, error.truth_ids, error.tracks))
    return tuple(result)
