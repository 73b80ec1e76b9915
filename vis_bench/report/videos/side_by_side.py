"""One video with the truth in the first row and a row per method: the same frames in every column.

A track has the colour of the annotated object that it overlaps most over the whole video, so that where it
jumps to another one its colour does not fit there. What is wrong in a frame is marked as well.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from vis_bench.data.frames import image_root_of, load_video_frame
from vis_bench.errors import DataError, UsageError
from vis_bench.files import write_bytes
from vis_bench.metrics.temporal_errors import SCORE_THRESHOLD
from vis_bench.report.drawing.palette import BACKGROUND, Colour, identity_colour
from vis_bench.report.tables.text import one_line, shorten
from vis_bench.report.videos.choice import frame_indices
from vis_bench.report.videos.frame_marks import FrameMarks, frame_marks
from vis_bench.report.videos.identity_colours import track_region
from vis_bench.report.videos.identity_timeline import timeline
from vis_bench.report.videos.sheet import Line, Region, draw_sheet
from vis_bench.types import Dataset, IouType, Track, Video

FRAMES = 5
MOST_ROWS = 12
"""Methods in one picture; more of them go on in a further one."""
_NAME_WIDTH = 12
MISSED, WRONG, SWITCHED, DUPLICATE = "X", "F", "S", "D"
OTHER_CLASS = "≠"
LEGEND = (
    (MISSED, "object without a track"),
    (WRONG, "track that fits no object"),
    (SWITCHED, "object has another track than in the frame before"),
    (DUPLICATE, "second track on an object"),
    ("", f"{OTHER_CLASS} another class than the object's"),
    ("", "colour: the object that the track overlaps most over the whole video, grey: none"),
)


@dataclass(frozen=True, slots=True)
class Shown:
    """One row: the run of a method. label: as in the table. tracks: of any videos."""

    label: str
    tracks: Sequence[Track]
    iou_type: IouType = "segm"


def write_side_by_side(
    path: Path, dataset: Dataset, video: Video, runs: Sequence[Shown], count: int = FRAMES
) -> None:
    """Write a PNG of `count` evenly spaced frames of a video, with truth and a row per run.

    Raises DataError where truth or frames are missing or cannot be read, and UsageError for fewer than one
    frame.
    """
    image_root_of(dataset)  # refuses a data set without frames before anything is computed
    indices = frame_indices(video.length, count)
    lines = layout(dataset, video, runs, indices)
    frames = [load_video_frame(dataset, video, index) for index in indices]
    title = f"{one_line(dataset.name)} {one_line(dataset.split)}, video {one_line(video.name)}"
    heads = [f"frame {index}" for index in indices]
    write_bytes(
        path, draw_sheet(f"{title}: tracks scored above {SCORE_THRESHOLD:g}", heads, frames, lines, LEGEND)
    )


def layout(dataset: Dataset, video: Video, runs: Sequence[Shown], indices: Sequence[int]) -> tuple[Line, ...]:
    """What is drawn: a line of truth, then one of each run, each with the regions of every shown frame.

    Raises DataError where the truth is hidden, and UsageError without a frame.
    """
    if dataset.tracks is None:
        raise DataError(f"{dataset.name} {dataset.split}: the truth is not public, so nothing can be marked.")
    if not indices:
        raise UsageError("at least 1 frame is needed.")
    names = {category.id: _name(category.name) for category in dataset.categories}
    kind: IouType = "segm" if any(run.iou_type == "segm" for run in runs) else "bbox"
    return (
        _truth_line(dataset, video, names, kind, indices),
        *(_run_line(dataset, video, names, run, indices) for run in runs),
    )


def _name(name: str) -> str:
    return shorten(one_line(name), _NAME_WIDTH)


def _truth_line(
    dataset: Dataset, video: Video, names: Mapping[int, str], iou_type: IouType, indices: Sequence[int]
) -> Line:
    truth = dataset.tracks_by_video[video.id]
    frames = []
    for frame in indices:
        regions = []
        for place, one in enumerate(truth):
            mask = track_region(one, frame, video, iou_type)
            if mask is not None and mask.any():
                regions.append(
                    Region(mask, identity_colour(place), names[one.category_id], filled=iou_type == "segm")
                )
        frames.append(tuple(regions))
    return Line("truth", _counted(len(truth), "object"), tuple(frames))


def _run_line(
    dataset: Dataset, video: Video, names: Mapping[int, str], run: Shown, indices: Sequence[int]
) -> Line:
    truth = dataset.tracks_by_video[video.id]
    found = timeline(video, truth, run.tracks, run.iou_type)
    frames, since = [], -1
    for frame in indices:
        masks = {
            place: mask
            for place, track in enumerate(found.tracks)
            if (mask := track_region(track, frame, video, run.iou_type)) is not None and mask.any()
        }
        marks = frame_marks(found, frame, since, frozenset(masks))
        regions = []
        # from the lowest to the highest score, so that the best track is drawn last
        for place in sorted(masks, reverse=True):
            track, closest = found.tracks[place], found.closest[place]
            other = closest is not None and truth[closest].category_id != track.category_id
            text = f"{OTHER_CLASS if other else ''}{names[track.category_id]} {track.score:.2f}"
            regions.append(
                Region(masks[place], _colour(closest), text, _letters(marks, place), run.iou_type == "segm")
            )
        for place in marks.missed:
            mask = track_region(truth[place], frame, video, run.iou_type)
            if mask is not None and mask.any():
                regions.append(Region(mask, identity_colour(place), "", MISSED, filled=False, dashed=True))
        frames.append(tuple(regions))
        since = frame
    return Line(one_line(run.label), _counted(len(found.tracks), "track"), tuple(frames))


def _colour(closest: int | None) -> Colour:
    return BACKGROUND if closest is None else identity_colour(closest)


def _letters(marks: FrameMarks, place: int) -> str:
    kinds = ((WRONG, marks.wrong), (SWITCHED, marks.switched), (DUPLICATE, marks.duplicates))
    return "".join(letter for letter, places in kinds if place in places)


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
