"""A file of one long blob and some named arrays, which are read through a memory map.

    64 bytes   magic, place and length of the header in bytes, SHA-256 of the header
    blob       any bytes
    arrays     one after another, each at a multiple of 64 bytes
    header     JSON: the arrays with their types, a checksum over them, what the writer said about the content

The arrays are checked as a whole when the file is opened. The blob is not, it may be hundreds of megabytes:
who reads from it brings a checksum for each piece.
"""

from __future__ import annotations

import hashlib
import json
import mmap
import os
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

_MAGIC = b"VISBPACK"
_PREAMBLE = struct.Struct("<8sQQ32s8x")
_ALIGNMENT = 64


class DamagedStoreError(Exception):
    """A packed file is not what was written; the text says what is wrong."""


@dataclass(frozen=True, slots=True)
class Packed:
    """An open packed file. about: what the writer said. arrays: read-only, backed by the map."""

    about: dict[str, Any]
    arrays: dict[str, np.ndarray]
    _file: _Descriptor
    _bytes: mmap.mmap

    def blob(self, begin: int, end: int) -> bytes:
        """Bytes begin..end-1 of the blob."""
        if not hasattr(os, "pread"):
            return self._bytes[_PREAMBLE.size + begin : _PREAMBLE.size + end]
        # through the map each process would collect the pages that it has looked at, 64 kB for a mask of 2
        return os.pread(self._file.number, end - begin, _PREAMBLE.size + begin)


class PackedWriter:
    """Writes a packed file from its beginning: the blob piece by piece, then `finish`."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._file.write(bytes(_PREAMBLE.size))

    def append(self, data: bytes) -> None:
        """Add to the blob."""
        self._file.write(data)

    def finish(self, about: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
        """Write the arrays and what is said about the content (as JSON)."""
        checksum, places = 0, {}
        for name, array in arrays.items():
            self._file.write(bytes(-self._file.tell() % _ALIGNMENT))
            data = np.ascontiguousarray(array)
            places[name] = {"type": data.dtype.str, "shape": data.shape, "at": self._file.tell()}
            self._file.write(data.data.cast("B") if data.size else b"")
            checksum = zlib.crc32(data.data.cast("B") if data.size else b"", checksum)
        at = self._file.tell()
        header: dict[str, Any] = {"about": about, "arrays": places, "checksum": checksum, "header_at": at}
        text = json.dumps(header).encode()
        self._file.write(text)
        self._file.seek(0)
        self._file.write(_PREAMBLE.pack(_MAGIC, at, len(text), hashlib.sha256(text).digest()))


def open_packed(path: Path) -> Packed:
    """Open a packed file.

    Raises DamagedStoreError for one that is not whole, FileNotFoundError for a missing one.
    """
    with path.open("rb", buffering=0) as file:
        try:
            content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except ValueError:
            raise DamagedStoreError("it is empty") from None
        header = _header(content)
        arrays, checksum = {}, 0
        for name, one in header["arrays"].items():
            count = int(np.prod(one["shape"], dtype=np.int64))
            array = np.frombuffer(content, dtype=one["type"], count=count, offset=one["at"])
            checksum = zlib.crc32(array.data.cast("B") if count else b"", checksum)
            arrays[name] = array.reshape(one["shape"])
        if checksum != header["checksum"]:
            raise DamagedStoreError("its arrays were changed")
        return Packed(header["about"], arrays, _Descriptor(os.dup(file.fileno())), content)


def _header(content: mmap.mmap) -> dict[str, Any]:
    if len(content) < _PREAMBLE.size:
        raise DamagedStoreError("it is cut off")
    magic, at, length, digest = _PREAMBLE.unpack_from(content)
    if magic != _MAGIC:
        raise DamagedStoreError("it is no packed file")
    if at + length != len(content):
        raise DamagedStoreError(f"it has {len(content)} bytes instead of {at + length}")
    text = content[at : at + length]
    if hashlib.sha256(text).digest() != digest:
        raise DamagedStoreError("its header was changed")
    return json.loads(text)


class _Descriptor:
    """An open file that is closed when nobody reads from it any more."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __del__(self) -> None:
        os.close(self.number)
