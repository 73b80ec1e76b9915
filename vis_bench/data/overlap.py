"""Videos that were trained on and would be scored: the pictures decide, not names or annotation files."""

from __future__ import annotations

import hashlib
import os
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from vis_bench.data.frames import image_root_of
from vis_bench.errors import DataError
from vis_bench.types import Dataset, Video


def seen_videos(train: Dataset, test: Dataset) -> tuple[str, ...]:
    """Names of the videos of `test` that are in `train` too, in the order of `test`.

    Two videos are the same when their first, their middle and their last frame are, byte for byte; whatever
    they are called, and whichever file annotates them. Files are only read where their sizes agree. Raises
    DataError for a frame that is missing or cannot be read.
    """
    pictures = _Pictures()
    known = defaultdict[tuple[int, ...], list[tuple[Path, ...]]](list)
    for video in train.videos:
        files = _looked_at(train, video)
        known[pictures.sizes(files)].append(files)
    return tuple(
        video.name
        for video in test.videos
        if any(
            pictures.same(files, other)
            for files in [_looked_at(test, video)]
            for other in known.get(pictures.sizes(files), ())
        )
    )


def _looked_at(dataset: Dataset, video: Video) -> tuple[Path, ...]:
    root, last = image_root_of(dataset), video.length - 1
    return tuple(root / video.file_names[index] for index in (0, last // 2, last))


@dataclass(frozen=True, slots=True)
class _Pictures:
    """Files that are compared; each is looked at and read once at most."""

    states: dict[Path, os.stat_result] = field(default_factory=dict)
    hashes: dict[Path, bytes] = field(default_factory=dict)

    def sizes(self, files: tuple[Path, ...]) -> tuple[int, ...]:
        return tuple(self._state(file).st_size for file in files)

    def same(self, files: tuple[Path, ...], other: tuple[Path, ...]) -> bool:
        """Whether all pairs hold the same bytes; stops at the first that does not."""
        return all(
            os.path.samestat(self._state(one), self._state(two)) or self._hash(one) == self._hash(two)
            for one, two in zip(files, other, strict=True)
        )

    def _state(self, file: Path) -> os.stat_result:
        if file not in self.states:
            try:
                self.states[file] = file.stat()
            except OSError as error:
                raise DataError(f"{file}: cannot be read ({error.strerror}).") from None
        return self.states[file]

    def _hash(self, file: Path) -> bytes:
        if file not in self.hashes:
            try:
                with file.open("rb") as stream:
                    self.hashes[file] = hashlib.file_digest(stream, "sha256").digest()
            except OSError as error:
                raise DataError(f"{file}: cannot be read ({error.strerror}).") from None
        return self.hashes[file]
