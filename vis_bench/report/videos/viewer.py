"""The viewer of videos inside report.html: frames, truth and tracks, packed so that the page stays small.

Frames are JPEG pictures; masks and timelines are JSON, gzip, one text per run. The page unpacks a run when it
is chosen. What is packed is limited in bytes: videos with the most errors go in first, and further seeds of a
method come after the first seeds of all. Tracks scored too low for the errors are packed where all runs fit
with them; the page hides tracks below a score that its reader chooses.
"""

from __future__ import annotations

import base64
import functools
import gzip
import io
import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from vis_bench.data.bar import bar
from vis_bench.data.frames import iterate_frames
from vis_bench.data.predictions import read_results
from vis_bench.masks import rle
from vis_bench.metrics.overlap import track_boxes
from vis_bench.metrics.temporal_errors import KINDS, SCORE_THRESHOLD
from vis_bench.report.drawing.palette import BACKGROUND, Colour, identity_colour
from vis_bench.report.videos.identity_timeline import LEAST_SCORE, Span, Timeline, timeline
from vis_bench.types import Dataset, IouType, Rle, Track, TruthTrack, Video

SIDE_PX = 320
"""Longer side of a packed frame; smaller frames keep their size."""
FRAMES_BYTES = 6_000_000
RUNS_BYTES = 18_000_000
_JPEG_QUALITY = 75


@dataclass(frozen=True, slots=True)
class ViewedRun:
    """One run to show. label: as in the table, with the seed. predictions: its file.

    thresholds: of its operating point, one or two scores; empty where there is none. seed: of its record.
    """

    label: str
    predictions: Path
    iou_type: IouType
    thresholds: tuple[float, ...] = ()
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Viewer:
    """What the page holds. index: JSON for the script: videos, runs, kinds of error, classes that occur, the
    scores at which runs are shown first (points) and above which their tracks are here (least).

    frames: one text per video, a picture in base64 per line. truth, runs: gzip JSON in base64. notes: what
    was left out, and why.
    """

    index: dict[str, Any]
    frames: tuple[str, ...]
    truth: str
    runs: tuple[str, ...]
    notes: tuple[str, ...]


def build_viewer(
    dataset: Dataset,
    runs: Sequence[ViewedRun],
    frames_bytes: int = FRAMES_BYTES,
    runs_bytes: int = RUNS_BYTES,
    read: Callable[[Video], Iterable[np.ndarray]] | None = None,
) -> Viewer:
    """Pack the runs on a dataset that has frames, and truth or none: then each track has its own colour.

    runs: in the order in which they are kept. frames_bytes, runs_bytes: the most that frames and runs may
    take; the first video and the first run are kept whatever they take. read: gives the frames of a video,
    [H, W, 3] uint8; None reads those of the dataset. Raises DataError for predictions and
    frames that cannot be read.
    """
    if read is None:
        read = functools.partial(iterate_frames, dataset)
    found = [_timelines(dataset, run) for run in bar(runs, "viewer of videos", "run")]
    errors = {video.id: sum(len(one[video.id].errors) for one in found) for video in dataset.videos}
    order = sorted(dataset.videos, key=lambda video: (-errors[video.id], video.id))
    frames = _within(order, lambda video: _frames(read(video), video), frames_bytes)
    chosen = [video for video in dataset.videos if video.id in frames]

    def pack_runs(low: bool) -> dict[int, str]:
        return _within(
            range(len(runs)),
            lambda r: _packed_run(dataset, chosen, found[r], runs[r].iou_type, low),
            runs_bytes,
        )

    packed, low = pack_runs(True), True
    if len(packed) < len(runs) and any(one.low for run in found for one in run.values()):
        packed, low = pack_runs(False), False
    index = {
        "videos": [
            {
                "name": video.name,
                "width": shown_size(video)[0],
                "height": shown_size(video)[1],
                "length": video.length,
                "errors": errors[video.id],
            }
            for video in chosen
        ],
        "runs": [runs[r].label for r in packed],
        "points": [list(runs[r].thresholds) for r in packed],
        "usual": SCORE_THRESHOLD,
        "least": LEAST_SCORE if low else SCORE_THRESHOLD,
        "classes": _classes(dataset, chosen, [found[r] for r in packed], low),
        "kinds": list(KINDS),
        "truth": dataset.tracks is not None,
    }
    return Viewer(
        index=index,
        frames=tuple(frames[video.id] for video in chosen),
        truth=_pack([_truth(dataset, video, _iou_type(runs)) for video in chosen]),
        runs=tuple(packed.values()),
        notes=_notes(dataset, chosen, runs, packed, low),
    )


def shown_size(video: Video) -> tuple[int, int]:
    """(width, height) of a packed frame in pixels."""
    scale = min(1.0, SIDE_PX / max(video.width, video.height))
    return max(1, round(video.width * scale)), max(1, round(video.height * scale))


def _iou_type(runs: Sequence[ViewedRun]) -> IouType:
    """Truth is drawn as masks where any run has masks."""
    return "segm" if any(run.iou_type == "segm" for run in runs) else "bbox"


def _timelines(dataset: Dataset, run: ViewedRun) -> dict[int, Timeline]:
    by_video: dict[int, list[Track]] = {video.id: [] for video in dataset.videos}
    for track in read_results(run.predictions, dataset):
        by_video[track.video_id].append(track)
    return {
        video.id: timeline(video, dataset.tracks_by_video[video.id], by_video[video.id], run.iou_type)
        for video in dataset.videos
    }


def _within(items: Sequence[Any], make: Callable[[Any], str], limit_bytes: int) -> dict[Any, str]:
    """Texts by item (by the id of a video), in order, until the next one would pass the limit."""
    result: dict[Any, str] = {}
    left = limit_bytes
    for item in items:
        text = make(item)
        left -= len(text)
        if left < 0 and result:
            break
        result[item.id if isinstance(item, Video) else item] = text
    return result


def _frames(pictures: Iterable[np.ndarray], video: Video) -> str:
    lines = []
    for picture in pictures:
        buffer = io.BytesIO()
        image = Image.fromarray(picture)
        image.resize(shown_size(video), Image.Resampling.BOX).save(
            buffer, format="JPEG", quality=_JPEG_QUALITY, optimize=True
        )
        lines.append(base64.b64encode(buffer.getvalue()).decode())
    return "\n".join(lines)


def _classes(
    dataset: Dataset, videos: Sequence[Video], found: Sequence[Mapping[int, Timeline]], low: bool
) -> list[str]:
    """Names of the categories of truth and tracks that are here, in the order of the dataset."""
    used = {track.category_id for video in videos for track in dataset.tracks_by_video[video.id]}
    for run in found:
        used |= {track.category_id for video in videos for track in _shown(run[video.id], low)}
    return [category.name for category in dataset.categories if category.id in used]


def _shown(one: Timeline, low: bool) -> tuple[Track, ...]:
    return one.tracks + one.low if low else one.tracks


def _packed_run(
    dataset: Dataset, videos: Sequence[Video], found: Mapping[int, Timeline], iou_type: IouType, low: bool
) -> str:
    names = {category.id: category.name for category in dataset.categories}
    truth = dataset.tracks is not None
    return _pack([_run_video(found[video.id], video, names, iou_type, truth, low) for video in videos])


def _run_video(
    one: Timeline, video: Video, names: Mapping[int, str], iou_type: IouType, truth: bool, low: bool
) -> dict[str, Any]:
    """JSON of one run on one video: `tracks`, `objects` (spans: start, stop, track or -1) and `errors`
    (kind, first frame, frames, objects, tracks). Tracks and objects are positions from 0. truth: whether
    there is any, which decides the colours. low: with the tracks scored too low for the errors.
    """
    tracks = _shown(one, low)
    places = one.closest[: len(tracks)] if truth else range(len(tracks))
    return {
        "tracks": [
            {
                "colour": _hex(BACKGROUND if place is None else identity_colour(place)),
                "category": names[track.category_id],
                "score": _shown_score(track.score),
                "shapes": _shapes(track, video, iou_type),
            }
            for track, place in zip(tracks, places, strict=True)
        ],
        "objects": [[_span(span) for span in spans] for spans in one.objects],
        "errors": [
            [KINDS.index(error.kind), error.start, error.frames, error.truths, error.tracks]
            for error in one.errors
        ],
    }


def _shown_score(score: float) -> float:
    """The score with three digits, never rounded down: one above a threshold stays above it."""
    return math.ceil(round(1000 * score, 6)) / 1000


def _span(span: Span) -> tuple[int, int, int]:
    return span.start, span.stop, -1 if span.track is None else span.track


def _truth(dataset: Dataset, video: Video, iou_type: IouType) -> list[dict[str, Any]]:
    names = {category.id: category.name for category in dataset.categories}
    return [
        {
            "colour": _hex(identity_colour(place)),
            "category": names[track.category_id],
            "shapes": _shapes(track, video, iou_type),
        }
        for place, track in enumerate(dataset.tracks_by_video[video.id])
    ]


def _shapes(track: Track | TruthTrack, video: Video, iou_type: IouType) -> list[Any]:
    """Per frame a mask (COCO's compressed counts), a box (x, y, width, height in packed pixels), or None."""
    size = shown_size(video)
    if iou_type == "segm":
        return [None if mask is None else _counts(mask, size) for mask in track.segmentations]
    scale = np.array([size[0] / video.width, size[1] / video.height] * 2)
    boxes = track_boxes(track.boxes, track.segmentations)
    return [None if box is None else (np.array(box) * scale).round(1).tolist() for box in boxes]


def _counts(mask: Rle, size: tuple[int, int]) -> str:
    if list(mask["size"]) != [size[1], size[0]]:
        image = Image.fromarray(rle.decode(mask)).resize(size, Image.Resampling.NEAREST)
        mask = rle.encode(np.asarray(image).astype(bool))
    return mask["counts"].decode("ascii")


def _hex(colour: Colour) -> str:
    return "#" + "".join(f"{value:02x}" for value in colour)


def _pack(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    data = text.encode(errors="backslashreplace")
    return base64.b64encode(gzip.compress(data, mtime=0)).decode()


def _notes(
    dataset: Dataset,
    chosen: Sequence[Video],
    runs: Sequence[ViewedRun],
    packed: Mapping[int, str],
    low: bool,
) -> tuple[str, ...]:
    notes = []
    if not low:
        notes.append(f"Tracks scored {SCORE_THRESHOLD} or less are left out: the page would grow too large.")
    if len(chosen) < len(dataset.videos):
        notes.append(
            f"{len(chosen)} of {len(dataset.videos)} videos are here, those with the most errors: the page "
            "would grow too large."
        )
    left = [run.label for r, run in enumerate(runs) if r not in packed]
    if left:
        notes.append(f"Left out, the page would grow too large: {', '.join(left)}.")
    return tuple(notes)
