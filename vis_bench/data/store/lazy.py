"""Videos and tracks of a packed store, as sequences that read what is asked for.

Pickled they are the path of the store and row numbers, so that a process with nothing but these opens the
same file, and all processes of a machine share its pages.
"""

from __future__ import annotations

import functools
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, overload

import numpy as np

from vis_bench.data.store.build import AREA, BOXED, PRESENT, WHOLE
from vis_bench.data.store.packed import DamagedStoreError, Packed, open_packed
from vis_bench.errors import DataError
from vis_bench.types import Rle, TracksOnDemand, TruthTrack, Video, VideosOnDemand


@functools.lru_cache(maxsize=16)
def opened(path: Path) -> Packed:
    """The open store, one a process. Raises DataError when it is gone or damaged."""
    try:
        return open_packed(path)
    except (OSError, DamagedStoreError) as error:
        raise DataError(
            f"{path}: the packed annotations cannot be read ({error}). Run again: they are made anew."
        ) from None


class StoredVideos(VideosOnDemand):
    """Videos of a store. rows: [n] which of them, None for all."""

    def __init__(self, path: Path, rows: np.ndarray | None = None) -> None:
        self._path, self._store = path, opened(path)
        self._rows = rows

    def __reduce__(self) -> tuple[Any, ...]:
        return StoredVideos, (self._path, self._rows)

    def __len__(self) -> int:
        return len(self._store.arrays["video_id"]) if self._rows is None else len(self._rows)

    @overload
    def __getitem__(self, index: int) -> Video: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Video, ...]: ...
    def __getitem__(self, index: int | slice) -> Video | tuple[Video, ...]:
        if isinstance(index, slice):
            return tuple([self[i] for i in range(len(self))[index]])
        place = range(len(self))[index]
        row = place if self._rows is None else int(self._rows[place])
        arrays = self._store.arrays
        begin, end = arrays["text_end"][row : row + 2].tolist()
        text = arrays["text"][begin:end].tobytes().decode("utf-8", "surrogatepass")
        name, *file_names = text.split("\0")
        width, height = int(arrays["width"][row]), int(arrays["height"][row])
        return Video(int(arrays["video_id"][row]), name, width, height, tuple(file_names))

    def __eq__(self, other: object) -> bool:
        return _equal(self, other)

    __hash__ = None  # type: ignore[assignment]

    def only(self, video_ids: frozenset[int]) -> StoredVideos:
        """As VideosOnDemand."""
        return StoredVideos(self._path, _kept(self._store.arrays["video_id"], self._rows, video_ids))


class StoredTracks(TracksOnDemand):
    """Tracks of a store. rows: [n] which of them, None for all."""

    def __init__(self, path: Path, rows: np.ndarray | None = None) -> None:
        self._path, self._store = path, opened(path)
        self._rows = rows

    def __reduce__(self) -> tuple[Any, ...]:
        return StoredTracks, (self._path, self._rows)

    def __len__(self) -> int:
        return len(self._store.arrays["track_id"]) if self._rows is None else len(self._rows)

    @overload
    def __getitem__(self, index: int) -> TruthTrack: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[TruthTrack, ...]: ...
    def __getitem__(self, index: int | slice) -> TruthTrack | tuple[TruthTrack, ...]:
        if isinstance(index, slice):
            return tuple([self[i] for i in range(len(self))[index]])
        place = range(len(self))[index]
        return self.read(place if self._rows is None else int(self._rows[place]))

    def __eq__(self, other: object) -> bool:
        return _equal(self, other)

    __hash__ = None  # type: ignore[assignment]

    def only(self, video_ids: frozenset[int]) -> StoredTracks:
        """As TracksOnDemand."""
        return StoredTracks(self._path, _kept(self.video_ids(), self._rows, video_ids))

    def by_video(self, video_ids: Iterable[int]) -> Mapping[int, tuple[TruthTrack, ...]]:
        """As TracksOnDemand."""
        return _ByVideo(self, list(video_ids))

    def in_frames(self, video_id: int, frames: Sequence[int]) -> tuple[TruthTrack, ...]:
        """As TracksOnDemand."""
        rows = self.rows()
        own = rows[self.video_ids()[rows] == video_id]
        return tuple([self.read(row, frames) for row in own.tolist()])

    def shown_categories(self) -> Iterator[int]:
        """As TracksOnDemand."""
        arrays = self._store.arrays
        for row in self.rows().tolist():
            first, end = arrays["first_slot"][row : row + 2].tolist()
            if not arrays["is_crowd"][row] and arrays["pixels"][first:end].any():
                yield int(arrays["category_id"][row])

    def shown_frames(self) -> Iterator[tuple[int, Sequence[int]]]:
        """As TracksOnDemand."""
        arrays, owners = self._store.arrays, self.video_ids()
        for row in self.rows().tolist():
            if not arrays["is_crowd"][row]:
                first, end = arrays["first_slot"][row : row + 2].tolist()
                yield int(owners[row]), np.flatnonzero(arrays["pixels"][first:end]).tolist()

    def rows(self) -> np.ndarray:
        """[n] int64: which tracks of the store these are."""
        return np.arange(len(self)) if self._rows is None else self._rows

    def video_ids(self) -> np.ndarray:
        """[tracks of the store] int64: the id of each one's video."""
        return self._store.arrays["video_id"][self._store.arrays["track_video"]]

    def read(self, row: int, frames: Sequence[int] | None = None) -> TruthTrack:
        """Track `row` of the store, in these frames alone where they are given.

        Raises DataError when the bytes of a mask are not those that were written.
        """
        arrays = self._store.arrays
        video = int(arrays["track_video"][row])
        first, end = arrays["first_slot"][row : row + 2].tolist()
        slots = np.arange(first, end)
        if frames is not None:
            slots = slots[list(frames)]
        size = [int(arrays["height"][video]), int(arrays["width"][video])]
        flags = arrays["flags"][slots].tolist()
        return TruthTrack(
            id=int(arrays["track_id"][row]),
            video_id=int(arrays["video_id"][video]),
            category_id=int(arrays["category_id"][row]),
            is_crowd=bool(arrays["is_crowd"][row]),
            segmentations=self._masks(slots, flags, size),
            boxes=tuple(
                [
                    (x, y, width, height) if flag & BOXED else None
                    for (x, y, width, height), flag in zip(arrays["box"][slots].tolist(), flags, strict=True)
                ]
            ),
            areas=tuple(
                [
                    (int(area) if flag & WHOLE else area) if flag & AREA else None
                    for area, flag in zip(arrays["area"][slots].tolist(), flags, strict=True)
                ]
            ),
            extra=self._extra(row) if frames is None else {},
        )

    def _masks(self, slots: np.ndarray, flags: list[int], size: list[int]) -> tuple[Rle | None, ...]:
        arrays = self._store.arrays
        columns = (arrays["mask_end"][slots], arrays["mask_end"][slots + 1], arrays["checksum"][slots])
        pixels = arrays["pixels"][slots].tolist()
        found: list[Rle | None] = []
        for flag, begin, end, checksum, area in zip(
            flags, *(c.tolist() for c in columns), pixels, strict=True
        ):
            if not flag & PRESENT:
                found.append(None)
                continue
            counts = self._store.blob(begin, end)
            if zlib.crc32(counts) != checksum:
                raise DataError(
                    f"{self._path}: the packed annotations are damaged (a mask was changed). "
                    "Remove this file and run again: it is made anew."
                )
            found.append({"size": list(size), "counts": counts, "area": area})
        return tuple(found)

    def _extra(self, row: int) -> dict[str, Any]:
        begin, end = self._store.arrays["extra_end"][row : row + 2].tolist()
        return json.loads(self._store.arrays["extra"][begin:end].tobytes()) if end > begin else {}


class _ByVideo(Mapping[int, tuple[TruthTrack, ...]]):
    """Tracks of each video, read when it is looked up."""

    def __init__(self, tracks: StoredTracks, video_ids: list[int]) -> None:
        rows = tracks.rows()
        owner = tracks.video_ids()[rows]
        order = np.argsort(owner, kind="stable")
        self._tracks, self._rows, self._owner = tracks, rows[order], owner[order]
        self._video_ids = dict.fromkeys(video_ids)

    def __getitem__(self, video_id: int) -> tuple[TruthTrack, ...]:
        if video_id not in self._video_ids:
            raise KeyError(video_id)
        begin, end = np.searchsorted(self._owner, [video_id, video_id + 1])
        return tuple([self._tracks.read(row) for row in self._rows[begin:end].tolist()])

    def __iter__(self) -> Iterator[int]:
        return iter(self._video_ids)

    def __len__(self) -> int:
        return len(self._video_ids)


def _kept(ids: np.ndarray, rows: np.ndarray | None, wanted: frozenset[int]) -> np.ndarray:
    """Those of `rows` whose id is wanted, [n] int32: half the bytes when pickled."""
    rows = np.arange(len(ids), dtype=np.int32) if rows is None else rows
    return rows[np.isin(ids[rows], np.fromiter(wanted, np.int64, len(wanted)))]


def _equal(one: Sequence[Any], other: object) -> bool:
    if not isinstance(other, tuple | StoredVideos | StoredTracks):
        return NotImplemented
    return len(one) == len(other) and all(a == b for a, b in zip(one, other, strict=True))
