"""Frame results on disk while a video of any length is tracked: what stays in memory is where they lie."""

from __future__ import annotations

import pickle
import tempfile
from array import array
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast, overload

from vis_bench.files import writing_into
from vis_bench.method import FrameDetection, FrameResult
from vis_bench.types import Rle


class ResultsSpool:
    """A file without a name in a folder, which ends with the block (or the process) that uses it.

    Holds the frame results of any number of videos. Masks that came out of it are read when they are looked
    at, which is possible inside the block only. Raises UsageError where the folder cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._sizes: dict[tuple[int, int], tuple[int, int]] = {}

    def __enter__(self) -> Self:
        with writing_into(self._folder):
            self._file = tempfile.TemporaryFile(dir=self._folder)
        self._end = 0
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def results(self) -> SpooledResults:
        """An empty sequence of results, for one video."""
        return SpooledResults(self)

    def write(self, data: bytes) -> int:
        """Where the data begins. Raises UsageError for a full disk."""
        begin = self._end
        with writing_into(self._folder):
            self._file.seek(begin)
            self._file.write(data)
        self._end += len(data)
        return begin

    def read(self, begin: int, count: int) -> bytes:
        """`count` bytes from `begin` on."""
        self._file.seek(begin)
        return self._file.read(count)

    def same_size(self, size: Sequence[int]) -> tuple[int, int]:
        """(height, width), one object for all masks of that size."""
        key = (int(size[0]), int(size[1]))
        return self._sizes.setdefault(key, key)


class SpooledMask(Mapping[str, Any]):
    """What an `Rle` says, its runs read from the spool each time that they are asked for."""

    __slots__ = ("_begin", "_count", "_size", "_spool")

    def __init__(self, spool: ResultsSpool, begin: int, count: int, size: tuple[int, int]) -> None:
        self._spool, self._begin, self._count, self._size = spool, begin, count, size

    def __getitem__(self, key: str) -> Any:
        if key == "size":
            return list(self._size)
        if key == "counts":
            return self._spool.read(self._begin, self._count)
        raise KeyError(key)

    def __iter__(self) -> Iterator[str]:
        return iter(("size", "counts"))

    def __len__(self) -> int:
        return 2


class SpooledResults(Sequence[FrameResult]):
    """The frame results of one video, without their candidates; eight bytes a frame stay in memory.

    A result that is read has its scores and boxes, and masks that are still in the file.
    """

    def __init__(self, spool: ResultsSpool) -> None:
        self._spool = spool
        self._begins = array("q")
        self._counts = array("q")

    def append(self, result: FrameResult) -> None:
        """Write one result. Raises UsageError for a full disk."""
        rows = []
        for one in result.detections:
            place = None
            if one.segmentation is not None:
                runs = one.segmentation["counts"]
                place = (self._spool.write(runs), len(runs), tuple(one.segmentation["size"]))
            rows.append((one.identity, one.class_scores, place, one.box))
        # written and read by this process alone, in a file that nobody else can open by a name
        data = pickle.dumps((result.index, rows), protocol=pickle.HIGHEST_PROTOCOL)
        self._begins.append(self._spool.write(data))
        self._counts.append(len(data))

    def __len__(self) -> int:
        return len(self._begins)

    @overload
    def __getitem__(self, index: int) -> FrameResult: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[FrameResult]: ...
    def __getitem__(self, index: int | slice) -> FrameResult | Sequence[FrameResult]:
        if isinstance(index, slice):
            return [self[number] for number in range(*index.indices(len(self)))]
        number, rows = pickle.loads(self._spool.read(self._begins[index], self._counts[index]))
        return FrameResult(
            number,
            tuple(
                FrameDetection(identity, scores, self._mask(place), box)
                for identity, scores, place, box in rows
            ),
        )

    def _mask(self, place: tuple[int, int, tuple[int, int]] | None) -> Rle | None:
        if place is None:
            return None
        begin, count, size = place
        return cast(Rle, SpooledMask(self._spool, begin, count, self._spool.same_size(size)))
