"""What `vis-bench track` has done so far, kept in its folder until the last video is tracked."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vis_bench.data.predictions import read_results, write_results
from vis_bench.data.unlabelled import Source, as_dataset
from vis_bench.errors import UsageError
from vis_bench.files import file_name, read_json, write_json
from vis_bench.types import Track

UNFINISHED = "unfinished"
"""The folder in the folder of `--out`; it goes when everything is done."""
_REQUEST = "request.json"
_FACTS = ".facts.json"


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A folder of tracked videos, one file for each method and video, and what they were tracked for."""

    folder: Path

    @classmethod
    def open(cls, out: Path, request: dict[str, Any]) -> Unfinished:
        """The unfinished work of this request in the folder `out`, or the begin of it in an empty one.

        request: everything that decides a result, as JSON holds it. A command that ended before its first
        video was done has left nothing to lose. Raises UsageError for a folder that holds anything else,
        and where nothing can be written.
        """
        kept = cls(out / UNFINISHED)
        begun = (kept.folder / _REQUEST).is_file()
        if begun and kept.done() and read_json(kept.folder / _REQUEST) != request:
            raise UsageError(
                f"{out}: holds what another command has not finished (other videos, methods, weights or "
                "options). Give that command again, or name a new folder."
            )
        if not begun and out.exists() and any(one != kept.folder for one in out.iterdir()):
            raise UsageError(f"{out}: is not empty. Name a new folder.")
        write_json(kept.folder / _REQUEST, request)
        return kept

    def done(self) -> int:
        """How many videos are done, over all methods."""
        return len(list(self.folder.glob(f"*{_FACTS}")))

    def tracks(self, label: str, source: Source, classes: Sequence[str]) -> tuple[list[Track], int] | None:
        """(tracks, look-ahead in frames) of a method's video that is done, else None. Raises DataError."""
        path = self._path(label, source)
        facts = path.with_suffix(_FACTS)
        # written after the tracks, so that where it is they are whole
        if not facts.is_file():
            return None
        return read_results(path, as_dataset([source], classes)), read_json(facts)["look_ahead_frames"]

    def keep(self, label: str, source: Source, tracks: Sequence[Track], look_ahead_frames: int) -> None:
        """Keep a video that is done. Raises UsageError for a full disk."""
        path = self._path(label, source)
        write_results(path, tracks)
        write_json(path.with_suffix(_FACTS), {"look_ahead_frames": look_ahead_frames})

    def remove(self) -> None:
        """Everything is done and lies in results files."""
        shutil.rmtree(self.folder)

    def _path(self, label: str, source: Source) -> Path:
        return self.folder / f"{file_name(label)}-{source.video.id}.json"
