"""Which annotation file has which hash, remembered so that hundreds of megabytes need not be read to know it.

A file counts as unchanged while its path, size, time of change in nanoseconds and inode are the same. One
that was written a moment ago is not remembered: it could be written again within the same tick of the file
system's clock.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

from vis_bench.errors import UsageError
from vis_bench.files import sha256, write_json

_YOUNG_NS = 100_000_000


def remembered_hash(folder: Path, annotations: Path) -> str | None:
    """SHA-256 of the uncompressed text, None where the file is not known or has changed.

    Raises OSError for a file that is not there.
    """
    state = _state(annotations, annotations.stat())
    try:
        known = json.loads(_place(folder, annotations).read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    found = known.pop("annotation_hash", None) if isinstance(known, dict) else None
    return found if known == state and isinstance(found, str) else None


def remember_hash(folder: Path, annotations: Path, before: os.stat_result, annotation_hash: str) -> None:
    """Remember the hash of a file, where the folder can be written. before: its state when reading began."""
    now = annotations.stat()
    state = _state(annotations, now)
    if state != _state(annotations, before) or time.time_ns() - now.st_mtime_ns < _YOUNG_NS:
        return
    try:
        write_json(_place(folder, annotations), {**state, "annotation_hash": annotation_hash})
    except UsageError:
        # the cache cannot be written: the file is read again next time
        return


def _state(annotations: Path, found: os.stat_result) -> dict[str, str | int]:
    return {
        "path": os.path.abspath(annotations),
        "size": found.st_size,
        "mtime_ns": found.st_mtime_ns,
        "inode": found.st_ino,
    }


def _place(folder: Path, annotations: Path) -> Path:
    name = sha256(os.fsencode(os.path.abspath(annotations)))
    return folder / "known" / f"{name[:32]}.json"
