"""One writer for each run directory: a second vis-bench on the same runs is told so."""

from __future__ import annotations

import errno
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from vis_bench.errors import MethodError

LOCK_NAME = ".lock"
_HELD = (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES)


@contextmanager
def locked(directory: Path, wait: bool = False) -> Iterator[None]:
    """Hold the directory's lock, making the directory; it ends with the process, however that ends.

    wait: until another process has let it go; else raises MethodError when one holds it. Where there are no
    file locks (Windows, some network file systems) nothing is checked.
    """
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / LOCK_NAME).open("a+", encoding="utf-8") as file:
        if take_lock(file, exclusive=True, wait=wait) is False:
            raise MethodError(
                f"{directory}: another vis-bench process is working on this run. Wait for it, or end it."
            )
        yield


def take_lock(file: IO[str], exclusive: bool, wait: bool = False) -> bool | None:
    """Lock a file that is open for reading and writing, until it is closed.

    Returns False when another process holds it (never if it may wait), None where the system or the file
    system has no locks.
    """
    if sys.platform == "win32":
        return None
    import fcntl

    try:
        kind = fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH
        fcntl.flock(file, kind if wait else kind | fcntl.LOCK_NB)
    except OSError as error:
        return False if error.errno in _HELD else None
    return True
