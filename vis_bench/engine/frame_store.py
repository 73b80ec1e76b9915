"""Keeping the detections of every frame while a run tracks; finished videos outlive a killed run."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from pathlib import Path

from vis_bench.data.frame_predictions import FRAMES_NAME, emitted, frame_record, header_record
from vis_bench.files import atomic_path, dump_json
from vis_bench.method import FrameResult
from vis_bench.types import Dataset, IouType, Video

PARTIAL_NAME = "frames.partial.jsonl"


def has_frames(directory: Path) -> bool:
    """Whether a run directory holds stored frame predictions."""
    return (directory / FRAMES_NAME).exists()


class FrameStore:
    """Frame predictions of one run. finished: ids of the videos that are on disk."""

    def __init__(self, directory: Path, dataset: Dataset, iou_type: IouType) -> None:
        self._target, self._partial = directory / FRAMES_NAME, directory / PARTIAL_NAME
        self._dataset, self._iou_type = dataset, iou_type
        self._lines = _complete_lines(self._partial)

    @property
    def finished(self) -> set[int]:
        """Ids of the videos whose frames are on disk."""
        return set(self._lines)

    def append(self, video: Video, results: Sequence[FrameResult] | None) -> None:
        """Keep one video; None, for a method that returns whole tracks, is remembered as such.

        Raises MethodError for candidates whose arrays do not fit together.
        """
        frames = None
        if results is not None:
            frames = [
                frame_record(
                    emitted(result, self._iou_type) if result.candidates is None else result.candidates,
                    f"video {video.name}, frame {result.index}",
                )
                for result in results
            ]
        line = dump_json({"video_id": video.id, "name": video.name, "frames": frames})
        with self._partial.open("a", encoding="utf-8") as file:
            file.write(line + "\n")
        self._lines[video.id] = line

    def finish(self) -> None:
        """Write the file, unless some video came as whole tracks, and remove what was for a resumed run."""
        lines = [self._lines[video.id] for video in self._dataset.videos]
        if all(json.loads(line)["frames"] is not None for line in lines):
            header = dump_json(header_record(self._dataset, self._iou_type))
            with (
                atomic_path(self._target) as temporary,
                temporary.open("wb") as raw,
                gzip.GzipFile("", "wb", fileobj=raw, mtime=0) as file,
            ):
                for line in (header, *lines):
                    file.write(line.encode() + b"\n")
        self._partial.unlink(missing_ok=True)


def _complete_lines(path: Path) -> dict[int, str]:
    """Lines of an interrupted run by video id; a half-written last line is cut off."""
    if not path.exists():
        return {}
    lines: dict[int, str] = {}
    kept = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            number = json.loads(line)["video_id"]
        except json.JSONDecodeError:
            break
        lines[number] = line
        kept.append(line)
    path.write_text("".join(line + "\n" for line in kept), encoding="utf-8")
    return lines
