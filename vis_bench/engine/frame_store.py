"""Keeping the detections of every frame while a run tracks; finished videos outlive a killed run."""

from __future__ import annotations

import gzip
from collections.abc import Sequence, Set
from pathlib import Path
from typing import Any

from vis_bench.data.frame_predictions import FRAMES_NAME, emitted, frame_record, header_record
from vis_bench.engine.process.kept_lines import require_entry, resume_lines
from vis_bench.files import append_text, atomic_path, dump_json
from vis_bench.method import FrameResult
from vis_bench.types import Dataset, IouType, Video

PARTIAL_NAME = "frames.partial.jsonl"


def has_frames(directory: Path) -> bool:
    """Whether a run directory holds stored frame predictions."""
    return (directory / FRAMES_NAME).exists()


class FrameStore:
    """Frame predictions of one run, on disk; memory holds only where each video begins there."""

    def __init__(self, directory: Path, dataset: Dataset, iou_type: IouType) -> None:
        self._target, self._partial = directory / FRAMES_NAME, directory / PARTIAL_NAME
        self._dataset, self._iou_type = dataset, iou_type
        self._offsets: dict[int, int] = {}
        self._whole_tracks = False
        for offset, entry in resume_lines(self._partial):
            entry = require_entry(self._partial, entry, ("video_id", "frames"))
            self._note(entry["video_id"], offset, entry["frames"])

    @property
    def finished(self) -> Set[int]:
        """Ids of the videos whose frames are on disk."""
        return self._offsets.keys()

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
        self._note(video.id, append_text(self._partial, line + "\n"), frames)

    def _note(self, video_id: int, offset: int, frames: list[Any] | None) -> None:
        self._offsets[video_id] = offset
        self._whole_tracks |= frames is None

    def finish(self) -> None:
        """Write the file, unless some video came as whole tracks, and remove what was for a resumed run."""
        if not self._whole_tracks:
            header = dump_json(header_record(self._dataset, self._iou_type))
            with (
                # made where a dataset has no video
                self._partial.open("a+b") as lines,
                atomic_path(self._target) as temporary,
                temporary.open("wb") as raw,
                gzip.GzipFile("", "wb", fileobj=raw, mtime=0) as file,
            ):
                file.write(header.encode() + b"\n")
                for video in self._dataset.videos:
                    lines.seek(self._offsets[video.id])
                    file.write(lines.readline())
        self._partial.unlink(missing_ok=True)
