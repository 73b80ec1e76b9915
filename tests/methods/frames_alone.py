"""The frames of a data set as videos of one frame each, for a network that reads single images only.

    python tests/methods/frames_alone.py shapes test one-frame

writes `one-frame/test` in the YouTube-VIS layout, its images a link to those of the data set. Video AP on it
is the frame AP of such a network, of which IFR's image stage is one: its layers without what reads a clip.
"""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

from vis_bench.data.catalog import open_dataset
from vis_bench.data.ytvis import write_annotations
from vis_bench.types import Dataset, TruthTrack, Video


def frames_alone(dataset: Dataset) -> Dataset:
    """A video of one frame for every frame, with its objects; frames and objects keep their order."""
    videos: list[Video] = []
    at: dict[tuple[int, int], int] = {}
    for video in dataset.videos:
        for frame, file_name in enumerate(video.file_names):
            at[video.id, frame] = len(videos) + 1
            videos.append(
                replace(
                    video,
                    id=len(videos) + 1,
                    name=file_name.rpartition(".")[0].replace("/", "_"),
                    file_names=(file_name,),
                )
            )
    tracks: list[TruthTrack] = []
    for track in dataset.tracks or ():
        for frame, mask in enumerate(track.segmentations):
            if mask is not None:
                tracks.append(
                    replace(
                        track,
                        id=len(tracks) + 1,
                        video_id=at[track.video_id, frame],
                        segmentations=(mask,),
                        boxes=(track.boxes[frame],),
                        areas=(track.areas[frame],),
                    )
                )
    return replace(dataset, videos=tuple(videos), tracks=tuple(tracks))


def main(name: str, split: str, out: str) -> None:
    """Write the data set; an earlier one of this name is replaced."""
    dataset = open_dataset(name, split)
    assert dataset.image_root is not None
    folder = Path(out) / split
    folder.mkdir(parents=True, exist_ok=True)
    images = folder / "JPEGImages"
    images.unlink(missing_ok=True)
    os.symlink(dataset.image_root.resolve(), images)
    write_annotations(folder / f"instances_{split}.json", frames_alone(dataset))


if __name__ == "__main__":
    main(*sys.argv[1:])
