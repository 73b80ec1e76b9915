"""Packing videos and truth tracks, track after track, so that they need not be in memory together.

Arrays, for V videos, N tracks and S slots, one for each frame of each track's video:

    video_id, width, height      [V]
    text_end, text               [V + 1], [bytes]: the video's name and its file names, separated by NUL
    track_id, track_video, category_id, is_crowd    [N]; track_video counts videos
    first_slot                   [N + 1]
    extra_end, extra             [N + 1], [bytes]: the fields that are not ours, as JSON, empty for none
    flags                        [S]: PRESENT, BOXED, AREA, WHOLE
    mask_end, checksum, pixels   [S + 1], [S], [S]: run lengths in the blob, their CRC-32 and area
    box, area                    [S, 4], [S]: as the annotation file has them
"""

from __future__ import annotations

import json
import zlib
from array import array
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from vis_bench.data.store.packed import PackedWriter
from vis_bench.types import TruthTrack, Video

# what a slot holds: a mask, a box, an area, an area that the file writes without a fraction
PRESENT, BOXED, AREA, WHOLE = 1, 2, 4, 8
_EXACT_IN_A_DOUBLE = 2**53


class NotStorableError(Exception):
    """Annotations that a store cannot give back exactly."""


class StoreBuilder:
    """Collects tracks; the masks go to the file at once."""

    def __init__(self, writer: PackedWriter, videos: Sequence[Video]) -> None:
        self._writer = writer
        self._videos = videos
        self._place = {video.id: (i, video) for i, video in enumerate(videos)}
        # by name of the array: q is int64, d float64, I uint32, B uint8
        self._columns: dict[str, array[Any]] = {
            name: array("q") for name in ("track_id", "track_video", "category_id", "pixels")
        }
        self._columns |= {name: array("q", [0]) for name in ("first_slot", "extra_end", "mask_end")}
        self._columns |= {name: array("d") for name in ("box", "area")}
        self._columns |= {"checksum": array("I"), "flags": array("B"), "is_crowd": array("B")}
        self._extra: list[bytes] = []

    @property
    def tracks(self) -> int:
        """How many tracks were taken."""
        return len(self._columns["track_id"])

    def add(self, tracks: Iterable[TruthTrack]) -> None:
        """Take tracks of the videos, in order.

        Raises NotStorableError for a track that would come back changed: an area beyond 2^53, or masks of
        another size or number than the video's frames.
        """
        for track in tracks:
            self._add(track)

    def _add(self, track: TruthTrack) -> None:
        place, video = self._place[track.video_id]
        columns = self._columns
        columns["track_id"].append(track.id)
        columns["track_video"].append(place)
        columns["category_id"].append(track.category_id)
        columns["is_crowd"].append(track.is_crowd)
        text = json.dumps(dict(track.extra)).encode() if track.extra else b""
        self._extra.append(text)
        columns["extra_end"].append(columns["extra_end"][-1] + len(text))
        columns["first_slot"].append(columns["first_slot"][-1] + video.length)
        if {len(track.segmentations), len(track.boxes), len(track.areas)} != {video.length}:
            raise NotStorableError(f"track {track.id} has other frames than its video")
        end, size, masks = columns["mask_end"][-1], [video.height, video.width], []
        for rle, box, area in zip(track.segmentations, track.boxes, track.areas, strict=True):
            flags, counts, pixels = 0, b"", 0
            if rle is not None:
                if rle["size"] != size or "area" not in rle:
                    raise NotStorableError(f"track {track.id} has a mask of another size than its video")
                flags, counts, pixels = PRESENT, rle["counts"], rle["area"]
                masks.append(counts)
                end += len(counts)
            if area is not None:
                flags |= AREA | (WHOLE if isinstance(area, int) else 0)
                if abs(area) > _EXACT_IN_A_DOUBLE and isinstance(area, int):
                    raise NotStorableError(f"track {track.id} has an area of {area} pixels")
            columns["flags"].append(flags | (0 if box is None else BOXED))
            columns["mask_end"].append(end)
            columns["checksum"].append(zlib.crc32(counts))
            columns["pixels"].append(pixels)
            columns["box"].extend(box or (0.0, 0.0, 0.0, 0.0))
            columns["area"].append(area or 0.0)
        self._writer.append(b"".join(masks))

    def finish(self, about: dict[str, Any]) -> None:
        """Write the arrays, and what is to be known about the whole."""
        texts = ["\0".join((v.name, *v.file_names)).encode("utf-8", "surrogatepass") for v in self._videos]
        arrays = {name: np.frombuffer(column, column.typecode) for name, column in self._columns.items()}
        arrays["box"] = arrays["box"].reshape(-1, 4)
        self._writer.finish(
            about,
            {
                "video_id": np.array([video.id for video in self._videos], np.int64),
                "width": np.array([video.width for video in self._videos], np.int32),
                "height": np.array([video.height for video in self._videos], np.int32),
                "text_end": np.cumsum([0, *map(len, texts)]),
                "text": np.frombuffer(b"".join(texts), np.uint8),
                "extra": np.frombuffer(b"".join(self._extra), np.uint8),
                **arrays,
            },
        )
