"""The folder of what can be made again, and temporary files that killed writers left, here or anywhere."""

from __future__ import annotations

import functools
import hashlib
import os
import platform
import re
import shutil
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


def writer_mark() -> str:
    """What stands in the name of a temporary file or folder: this process, and the machine that it is of."""
    return f"{os.getpid()}-{machine_mark()}"


def remove_abandoned(folder: Path, prefix: str) -> None:
    """Remove what writers left in a folder that were killed on this machine; live ones keep theirs.

    prefix: of the names, followed by the `writer_mark` and a dash.
    """
    marked = re.compile(rf"{re.escape(prefix)}(\d+)-{machine_mark()}-")
    try:
        names = [name for name in os.listdir(folder) if name.startswith(prefix)]
    except OSError:
        return
    for name in names:
        found = marked.match(name)
        if found is None or _is_alive(int(found[1])):
            continue
        path = folder / name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


@functools.cache
def machine_mark() -> str:
    """Eight characters for this machine, since it was started, and this container on it."""
    parts = [platform.node()]
    try:
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip())
        parts.append(str(Path("/proc/self/ns/pid").stat().st_ino))
    except OSError:
        pass  # no Linux: the name has to do
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:8]


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True  # of another user, or no number of a process
    return True
