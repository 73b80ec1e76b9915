"""The viewer on videos without annotations, which may be long: the page shows their beginning."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from vis_bench.data.predictions import write_results
from vis_bench.data.unlabelled import Source, as_dataset
from vis_bench.report.videos.viewer import ViewedRun, Viewer, build_viewer
from vis_bench.types import Dataset, IouType, Track, Video


def unlabelled_viewer(
    sources: Sequence[Source],
    class_names: Sequence[str],
    runs: Sequence[tuple[str, Sequence[Track], IouType]],
    most_frames: int,
) -> Viewer:
    """The viewer of runs (label, tracks, kind of region) on the first `most_frames` of each video."""
    whole = as_dataset(sources, class_names)
    short = _beginning(whole, most_frames)
    of_video = {source.video.id: source for source in sources}

    def read(video: Video) -> Iterator[np.ndarray]:
        return itertools.islice(of_video[video.id].frames(), video.length)

    with TemporaryDirectory() as folder:
        viewed = []
        for number, (label, tracks, iou_type) in enumerate(runs):
            cut = Path(folder) / f"{number}.json.gz"
            write_results(cut, [_cut(track, most_frames) for track in tracks])
            viewed.append(ViewedRun(label, cut, iou_type))
        viewer = build_viewer(short, viewed, read=read)
    longer = sum(video.length > most_frames for video in whole.videos)
    if not longer:
        return viewer
    note = (
        f"{longer} videos are longer: the first {most_frames} frames are here, all of them in the mp4 files."
    )
    return replace(viewer, notes=(note, *viewer.notes))


def _beginning(dataset: Dataset, most_frames: int) -> Dataset:
    videos = tuple(replace(video, file_names=video.file_names[:most_frames]) for video in dataset.videos)
    return replace(dataset, videos=videos)


def _cut(track: Track, most_frames: int) -> Track:
    boxes = None if track.boxes is None else track.boxes[:most_frames]
    return replace(track, segmentations=track.segmentations[:most_frames], boxes=boxes)
