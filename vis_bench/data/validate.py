"""Checks of a dataset that reading alone does not make: frames on disk, and masks against areas and boxes."""

from __future__ import annotations

from collections import Counter, defaultdict
from itertools import combinations

from vis_bench.data.bar import bar
from vis_bench.data.frames import load_video_frame
from vis_bench.errors import DataError
from vis_bench.masks.rle import area, tight_box
from vis_bench.types import Box, Dataset, TruthTrack, Video

_AREA_TOLERANCE_PIXELS = 0.5
_BOX_TOLERANCE_PIXELS = 1.0
WARNING = "warning: "
"""How a problem begins that does no harm to scores."""


def verify(dataset: Dataset, check_frames: bool) -> list[str]:
    """Problems of a dataset, one line each; lines that start with `WARNING` do not harm scores.

    check_frames decodes every frame (about 10 ms each at 1280x720) and reports those that are missing,
    damaged or of another size. Of the truth, per object: masks whose area differs from `areas` (scores by
    object size use the written areas), null masks with a box or area and the reverse, objects that appear in
    no frame, and, as warnings, boxes that differ from their mask by more than a pixel. Also an object that is
    there twice, a frame that is there twice, videos that share frames, and videos without truth.
    """
    problems = [*_repeated_frames(dataset), *_repeated_objects(dataset), *_without_truth(dataset)]
    if check_frames:
        for video in bar(dataset.videos, "decoding frames", "video"):
            problems += _frame_problems(dataset, video)
    for track in dataset.tracks or ():
        problems += _track_problems(track)
    return problems


def _repeated_frames(dataset: Dataset) -> list[str]:
    problems, videos_of = [], defaultdict[str, list[int]](list)
    for video in dataset.videos:
        counts = Counter(video.file_names)
        problems += [
            f"video {video.id}: frame {name} is listed {count} times"
            for name, count in counts.items()
            if count > 1
        ]
        for name in counts:
            videos_of[name].append(video.id)
    shared = Counter(tuple(ids) for ids in videos_of.values() if len(ids) > 1)
    for ids, count in shared.items():
        problems.append(
            f"videos {', '.join(map(str, ids))} share {count} frame files: one video, listed twice?"
        )
    return problems


def _repeated_objects(dataset: Dataset) -> list[str]:
    """Two objects of a class with one mask: only one of them can be found."""
    problems = []
    for tracks in dataset.tracks_by_video.values():
        for first, second in combinations((track for track in tracks if not track.is_crowd), 2):
            if first.category_id != second.category_id:
                continue
            pairs = zip(first.segmentations, second.segmentations, strict=True)
            frames = [t for t, (one, other) in enumerate(pairs) if one is not None and one == other]
            if frames:
                problems.append(
                    f"annotations {first.id} and {second.id} (video {first.video_id}): the same mask "
                    f"and class in {len(frames)} frames, first in frame {frames[0]}"
                )
    return problems


def _without_truth(dataset: Dataset) -> list[str]:
    if dataset.tracks is None:
        return [
            f"{WARNING}{dataset.name} {dataset.split}: the file has no `annotations`, nothing can be scored"
        ]
    return [
        f"{WARNING}video {video.id} has no annotation: every prediction in it is a false positive"
        for video in dataset.videos
        if not dataset.tracks_by_video.get(video.id)
    ]


def _frame_problems(dataset: Dataset, video: Video) -> list[str]:
    problems = []
    for index in range(video.length):
        try:
            load_video_frame(dataset, video, index)
        except DataError as error:
            problems.append(f"video {video.id}, frame {index}: {error}")
    return problems


def _track_problems(track: TruthTrack) -> list[str]:
    where = f"annotation {track.id} (video {track.video_id})"
    wrong_areas, wrong_boxes, half_absent = [], [], []
    for frame, (rle, box, written) in enumerate(
        zip(track.segmentations, track.boxes, track.areas, strict=True)
    ):
        if rle is None:
            if box is not None or written:
                half_absent.append(frame)
            continue
        measured = area(rle)
        if written is None:
            half_absent.append(frame)
        elif abs(measured - written) > _AREA_TOLERANCE_PIXELS:
            wrong_areas.append((frame, measured, written))
        if box is not None and _box_distance(box, tight_box(rle)) > _BOX_TOLERANCE_PIXELS:
            wrong_boxes.append(frame)
    problems = []
    if wrong_areas:
        frame, measured, written = wrong_areas[0]
        problems.append(
            f"{where}: {len(wrong_areas)} masks differ from `areas`, first in frame {frame}: "
            f"the mask has {measured} pixels, the file says {written:g}"
        )
    if half_absent:
        problems.append(
            f"{WARNING}{where}: mask, box and area do not agree on absence in {len(half_absent)} frames, "
            f"first in frame {half_absent[0]}"
        )
    if wrong_boxes:
        problems.append(
            f"{WARNING}{where}: {len(wrong_boxes)} boxes differ from their mask by more than a pixel, "
            f"first in frame {wrong_boxes[0]}"
        )
    if all(rle is None for rle in track.segmentations):
        problems.append(f"{WARNING}{where}: appears in no frame")
    return problems


def _box_distance(first: Box, second: Box) -> float:
    """Largest difference of the four edges, in pixels."""
    return max(
        abs(first[0] - second[0]),
        abs(first[1] - second[1]),
        abs(first[0] + first[2] - second[0] - second[2]),
        abs(first[1] + first[3] - second[1] - second[3]),
    )
