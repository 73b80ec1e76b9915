"""The zip of a bundle: one way to write it, byte for byte, and a reader that takes nothing else.

Entries are stored, sorted by name, with one fixed time stamp and no extra fields. Since equal content has
equal bytes, the reader packs what it found again and compares: whatever else a zip can hide (links,
compressed bombs, overlapping or duplicate entries, text before or behind it) is a difference. Names are
taken from a short list of forms, so that none can lead out of a folder.
"""

from __future__ import annotations

import filecmp
import re
import shutil
import stat
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from vis_bench.errors import DataError, UsageError
from vis_bench.files import atomic_path, most_file_bytes

TIME_STAMP = (1980, 1, 1, 0, 0, 0)
MOST_ENTRIES = 20_000
MOST_ENTRY_BYTES = 2**31 - 2**16
"""Of one entry: beyond it the zip has another form (ZIP64)."""
PERMISSIONS = 0o100644 << 16
NAMES = re.compile(
    r"bundle\.json(\.sig)?|(protocols|speed)/[\w@+=,-][\w.@+=,-]*|runs(/[\w@+=,-][\w.@+=,-]*){2}"
)
"""The forms that a name can have; none begins with a dot, so none is hidden or leads upwards."""
_BROKEN = (
    *(zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, struct.error, NotImplementedError),
    *(ValueError, OverflowError, EOFError, RuntimeError, MemoryError, OSError, IndexError, KeyError),
)


def write_archive(path: Path, files: Mapping[str, Path | bytes]) -> None:
    """Write a bundle of these entries; equal entries give equal bytes.

    files: content by name, as bytes or as a file to copy. Raises UsageError for a name that no bundle has,
    for a file that is too large for one, and where nothing can be written.
    """
    for name in files:
        if not _is_name(name):
            raise UsageError(f"{name!r} is no name that a bundle can hold.")
    with atomic_path(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(files):
            content = files[name]
            size = len(content) if isinstance(content, bytes) else content.stat().st_size
            if size > MOST_ENTRY_BYTES:
                raise UsageError(f"{name}: {size:,} bytes; a bundle takes files of up to 2 GiB.")
            entry = zipfile.ZipInfo(name, TIME_STAMP)
            entry.create_system, entry.external_attr = 3, PERMISSIONS
            if isinstance(content, bytes):
                archive.writestr(entry, content)
                continue
            entry.file_size = size
            with content.open("rb") as source, archive.open(entry, "w") as sink:
                shutil.copyfileobj(source, sink)


def extract(path: Path, folder: Path) -> dict[str, Path]:
    """Unpack a bundle below `folder`, which is empty; returns the files by their name in the bundle.

    Raises DataError naming the bundle for anything but a zip as `write_archive` makes it, before a byte of a
    hostile entry is written.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file, or none that is regular (a bundle is needed).")
    size = path.stat().st_size
    if size > 2 * most_file_bytes():
        raise DataError(f"{path}: {size:,} bytes; that is more than a bundle can have.")
    try:
        found = _unpack(path, folder, size)
        again = folder / "again.zip"
        write_archive(again, found)
        same = filecmp.cmp(path, again, shallow=False)
        again.unlink()
    except _BROKEN as error:
        text = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise DataError(f"{path}: is no whole bundle ({text}). Copy the file again.") from None
    except UsageError as error:
        raise DataError(f"{path}: {error}") from None
    if not same:
        raise DataError(
            f"{path}: holds more than its entries, or has them in another form than `vis-bench bundle` "
            "writes. "
            "Make the bundle again from the runs."
        )
    return found


def _unpack(path: Path, folder: Path, size: int) -> dict[str, Path]:
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        if len(entries) > MOST_ENTRIES:
            raise DataError(f"{path}: {len(entries):,} entries; a bundle has at most {MOST_ENTRIES:,}.")
        twice = [
            name for name, count in Counter(one.filename.lower() for one in entries).items() if count > 1
        ]
        if twice:
            raise DataError(f"{path}: holds {twice[0]!r} more than once.")
        for entry in entries:
            _require_plain(path, entry)
        if sum(entry.file_size for entry in entries) > size:
            raise DataError(f"{path}: its entries claim more bytes than the file has.")
        found = {}
        for number, entry in enumerate(entries):
            # a name of our own: what the bundle calls it decides nothing on this disk
            place = folder / _own_name(entry.filename, number)
            place.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(entry) as source, place.open("xb") as sink:
                shutil.copyfileobj(source, sink)
            found[entry.filename] = place
        return found


def _own_name(name: str, number: int) -> str:
    """`runs/NAME/record.json` below the folder; other entries by number."""
    return name if name.startswith("runs/") else f"other/{number}"


def _require_plain(path: Path, entry: zipfile.ZipInfo) -> None:
    mode = entry.external_attr >> 16
    if not _is_name(entry.filename) or entry.filename != entry.orig_filename:
        raise DataError(f"{path}: has an entry {entry.filename!r}, which is no name of a bundle.")
    if stat.S_ISLNK(mode) or not stat.S_ISREG(mode):
        raise DataError(f"{path}: {entry.filename} is no plain file, but a link or something else.")
    if entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & 1:
        raise DataError(f"{path}: {entry.filename} is compressed or encrypted; bundles store their files.")


def _is_name(name: str) -> bool:
    return len(name) <= 400 and name.isascii() and NAMES.fullmatch(name) is not None
