"""The folder of what can be made again: shapes, shared pretraining, compiled kernels, the lock."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vis_bench.errors import DataError, UsageError

CACHE_ROOT_VARIABLE = "VIS_BENCH_CACHE"


def default_cache_root() -> Path:
    """$VIS_BENCH_CACHE or ~/.cache/vis-bench; a private temporary folder for a user without a home.

    Raises UsageError where that folder belongs to somebody else.
    """
    given = os.environ.get(CACHE_ROOT_VARIABLE)
    if given:
        return from_home(given)
    try:
        return Path.home() / ".cache" / "vis-bench"
    except RuntimeError:
        # no HOME, and a user that the system does not know, as in many containers
        return _private_temporary()


def from_home(text: str) -> Path:
    """A path with `~` for a home folder; as it stands where there is no such home."""
    try:
        return Path(text).expanduser()
    except RuntimeError:
        return Path(text)


@contextmanager
def saying_that_it_is_made_anew(folder: Path) -> Iterator[None]:
    """Add to a DataError of the block what to do about it: `folder` is one that vis-bench has made."""
    try:
        yield
    except DataError as error:
        raise DataError(f"{error} Delete the folder {folder} and run again: it is made anew.") from None


def _private_temporary() -> Path:
    folder = Path(tempfile.gettempdir()) / f"vis-bench-{os.getuid()}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
        if stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid():
            return folder
    except OSError:
        pass
    raise UsageError(
        f"There is no home folder to keep data in, and {folder} is none of yours. Name a folder in the "
        f"environment variable {CACHE_ROOT_VARIABLE}."
    )
