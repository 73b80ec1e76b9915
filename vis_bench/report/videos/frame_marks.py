"""What is wrong in one shown frame of a run: which objects lack a track, which tracks are not right."""

from __future__ import annotations

from dataclasses import dataclass

from vis_bench.report.videos.identity_timeline import Timeline

SWITCHES = ("identity_switch", "identity_change")


@dataclass(frozen=True, slots=True)
class FrameMarks:
    """One frame. missed: positions of visible objects without a track. Positions of tracks in
    `Timeline.tracks`: wrong, present and on no object; switched, whose object had another track before;
    duplicates, on an object that has another track.
    """

    missed: tuple[int, ...] = ()
    wrong: tuple[int, ...] = ()
    switched: tuple[int, ...] = ()
    duplicates: tuple[int, ...] = ()


def frame_marks(found: Timeline, frame: int, since: int, present: frozenset[int]) -> FrameMarks:
    """The marks of a frame.

    since: the frame shown before, or -1: an exchange between the two is marked in this one, since it would be
    seen in none. present: positions of the tracks with a region in this frame.
    """
    following = {
        place: span.track
        for place, spans in enumerate(found.objects)
        for span in spans
        if span.start <= frame < span.stop
    }
    changed = {
        place
        for error in found.errors
        if error.kind in SWITCHES and since < error.start <= frame
        for place in error.truths
    }
    duplicates = {
        error.tracks[0]
        for error in found.errors
        if error.kind == "duplicate" and error.start <= frame < error.start + error.frames
    }
    used = {track for track in following.values() if track is not None}
    switched = {track for place in changed if (track := following.get(place)) is not None}
    return FrameMarks(
        missed=tuple(sorted(place for place, track in following.items() if track is None)),
        wrong=tuple(sorted(present - used - duplicates)),
        switched=tuple(sorted(switched)),
        duplicates=tuple(sorted(duplicates)),
    )
