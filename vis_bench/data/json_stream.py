"""One long JSON object read member by member, and one of its lists element by element, in little memory."""

from __future__ import annotations

import codecs
import gzip
import hashlib
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from vis_bench.files import most_file_bytes

_CHUNK_BYTES = 1 << 23
_SPACE = " \t\n\r"
_AFTER = frozenset(f"{_SPACE},:]}}")


class NotStreamableError(ValueError):
    """The text is not an ordinary JSON object; reading it as a whole tells what is wrong, if anything."""


@dataclass(frozen=True, slots=True)
class Member:
    """A key with its whole value; for the list that is read in parts it comes first, and is empty."""

    key: str
    value: Any


@dataclass(frozen=True, slots=True)
class Element:
    """One element of the list that is read in parts."""

    value: Any


class JsonStream:
    """A file that holds one JSON object, plain or gzip. After the last part, `sha256` is that of its text."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._hash = hashlib.sha256()
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._scan = json.JSONDecoder().raw_decode
        self._text, self._at, self._ended, self._bytes = "", 0, False, 0

    @property
    def sha256(self) -> str:
        """Hexadecimal SHA-256 of the uncompressed text, once everything is read."""
        return self._hash.hexdigest()

    def parts(self, listed: str) -> Iterator[Member | Element]:
        """The members in order; of the list under the key `listed` its elements, one by one.

        Raises NotStreamableError for anything but one well-formed JSON object with different keys.
        """
        try:
            with _uncompressed(self._path) as self._file:
                yield from self._members(listed)
        except (OSError, EOFError, UnicodeDecodeError, RecursionError, zlib.error) as error:
            raise NotStreamableError(str(error)) from None

    def _members(self, listed: str) -> Iterator[Member | Element]:
        self._expect("{")
        seen: set[str] = set()
        more = self._peek() != "}"
        while more:
            key = self._value()
            if not isinstance(key, str) or key in seen:
                raise NotStreamableError(f"key {key!r}")
            seen.add(key)
            self._expect(":")
            if key == listed and self._peek() == "[":
                yield Member(key, [])
                yield from self._elements()
            else:
                yield Member(key, self._value())
            more = self._peek() == ","
            if more:
                self._expect(",")
        self._expect("}")
        if self._peek():
            raise NotStreamableError("text after the object")

    def _elements(self) -> Iterator[Element]:
        self._expect("[")
        more = self._peek() != "]"
        while more:
            yield Element(self._value())
            more = self._peek() == ","
            if more:
                self._expect(",")
        self._expect("]")

    def _value(self) -> Any:
        self._peek()
        while True:
            try:
                value, end = self._scan(self._text, self._at)
            except ValueError as error:
                # cut off by the end of what is read, or broken
                if not self._read():
                    raise NotStreamableError(str(error)) from None
                continue
            # a number may go on in the next chunk: "-2.5" or "-2.5e" of "-2.5e3"
            if self._text[end : end + 1] in _AFTER or not self._read():
                self._at = end
                return value

    def _peek(self) -> str:
        """The next character that is no space; empty at the end."""
        while True:
            while self._at < len(self._text) and self._text[self._at] in _SPACE:
                self._at += 1
            if self._at < len(self._text) or not self._read():
                return self._text[self._at : self._at + 1]

    def _expect(self, character: str) -> None:
        if self._peek() != character:
            raise NotStreamableError(f"{character} is missing")
        self._at += 1

    def _read(self) -> bool:
        """Read more, at least as much as is waiting, so that one long value is not scanned over and over."""
        if self._ended:
            return False
        data = self._file.read(max(_CHUNK_BYTES, len(self._text) - self._at))
        self._bytes += len(data)
        if self._bytes > most_file_bytes():
            raise NotStreamableError("too many bytes")
        self._hash.update(data)
        self._ended = not data
        self._text = self._text[self._at :] + self._decoder.decode(data, final=self._ended)
        self._at = 0
        return not self._ended


def text_hash(path: Path) -> str:
    """SHA-256 of the uncompressed text of a file, plain or gzip.

    Raises NotStreamableError when it cannot be read, or holds more than `files.most_file_bytes`.
    """
    found, size = hashlib.sha256(), 0
    try:
        with _uncompressed(path) as file:
            while data := file.read(_CHUNK_BYTES):
                found.update(data)
                size += len(data)
                if size > most_file_bytes():
                    raise NotStreamableError("too many bytes")
    except (OSError, EOFError, zlib.error) as error:
        raise NotStreamableError(str(error)) from None
    return found.hexdigest()


def _uncompressed(path: Path) -> BinaryIO:
    with path.open("rb") as file:
        is_gzip = file.read(2) == b"\x1f\x8b"
    return gzip.open(path) if is_gzip else path.open("rb")  # type: ignore[return-value]
