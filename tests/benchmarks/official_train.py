"""Writes an annotation file of the size of YouTube-VIS 2021's training set.

2,985 videos, 6,283 tracks, 180,961 masks, 425 MB. `--times N` writes N such sets into one file.

    python tests/benchmarks/official_train.py FOLDER [--times N]

Drawing all masks would take minutes: 400 tracks are drawn, and repeated with other ids. No reader of such
files looks for repetitions.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from official_size import HEIGHT, WIDTH, random_ellipse, truth_annotation

VIDEOS, TRACKS, MASKS, CATEGORIES = 2_985, 6_283, 180_961, 40
_DRAWN = 400
# frames of most videos; 36 is the longest of the real set
FRAMES = 30
# makes a mask as many characters long as the real ones are
_SCALE = 2.4


def write_official_train(
    path: Path, times: int = 1, frames: Sequence[str] = (), videos: int = VIDEOS, seed: int = 0
) -> Path:
    """Write the file; returns `path`.

    times: how many sets of the official size it holds. frames: file names that every video has, its own when
    empty. videos: of one set; the first ones, with their tracks.
    """
    rng = np.random.default_rng(seed)
    tracks = TRACKS * videos // VIDEOS
    drawn = [_drawn(rng) for _ in range(min(tracks, _DRAWN))]
    path.parent.mkdir(parents=True, exist_ok=True)
    categories = [{"id": i, "name": f"class{i}"} for i in range(1, CATEGORIES + 1)]
    with path.open("w", encoding="utf-8") as file:
        file.write('{"info": {}, "categories": ' + json.dumps(categories) + ', "videos": [')
        for video in range(videos * times):
            names = list(frames) or [f"{video:010x}/{t:05d}.jpg" for t in range(FRAMES)]
            record = {
                "id": video + 1,
                "width": WIDTH,
                "height": HEIGHT,
                "length": FRAMES,
                "file_names": names,
            }
            file.write((", " if video else "") + json.dumps(record))
        file.write('], "annotations": [')
        for track in range(tracks * times):
            head = {"id": track + 1, "video_id": track * VIDEOS // TRACKS + 1, "category_id": track % 40 + 1}
            # absent frames are spread so that each set has exactly MASKS masks
            absent = _absent(track % TRACKS)
            file.write(
                (", " if track else "")
                + json.dumps(head)[:-1]
                + ", "
                + _body(drawn[track % len(drawn)], absent)
            )
        file.write("]}")
    return path


def _absent(track: int) -> int:
    """How many of its frames a track is absent in; in all 6,283 * 30 - 180,961 = 7,529."""
    missing = TRACKS * FRAMES - MASKS
    return (track + 1) * missing // TRACKS - track * missing // TRACKS


def _drawn(rng: np.random.Generator) -> list[list[str]]:
    """JSON of the segmentation, box and area of each frame of one track."""
    while True:
        ellipse = random_ellipse(rng, _SCALE)
        runs = [ellipse.runs(t, rng) for t in range(FRAMES)]
        if all(runs):
            one = truth_annotation(0, 0, 0, runs)
            columns = (one["segmentations"], one["bboxes"], one["areas"])
            return [[json.dumps(value) for value in column] for column in columns]


def _body(columns: list[list[str]], absent: int) -> str:
    """The end of an annotation, without what `absent` frames at its beginning hold."""
    shown = [", ".join(["null"] * absent + column[absent:]) for column in columns]
    return (
        f'"iscrowd": 0, "height": {HEIGHT}, "width": {WIDTH}, "length": 1, '
        f'"segmentations": [{shown[0]}], "bboxes": [{shown[1]}], "areas": [{shown[2]}]}}'
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--times", type=int, default=1)
    given = parser.parse_args()
    written = write_official_train(given.folder / f"official_train_{given.times}x.json", given.times)
    print(written, f"{written.stat().st_size / 1e6:.0f} MB")
