"""One writer for each run directory: a second vis-bench on the same runs is told so."""

from __future__ import annotations

import errno
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from vis_bench.errors import MethodError

LOCK_NAME = ".lock"
WAIT_SECONDS = 0.5
_HELD = (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES)


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Hold the directory's lock, making the directory; it ends with the process, however that ends.

    Raises MethodError when another process holds it. Where there are no file locks (Windows, some network
    file systems) nothing is checked.
    """
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / LOCK_NAME).open("a+", encoding="utf-8") as file:
        if take_lock(file, exclusive=True) is False:
            raise MethodError(
                f"{directory}: another vis-bench process is working on this run. Wait for it, or end it."
            )
        yield


@contextmanager
def locked_in_turn(directory: Path) -> Iterator[None]:
    """As `locked`, but waits while another process holds the lock: what it makes is wanted here too."""
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / LOCK_NAME).open("a+", encoding="utf-8") as file:
        while take_lock(file, exclusive=True) is False:
            time.sleep(WAIT_SECONDS)
        yield


def take_lock(file: IO[str], exclusive: bool) -> bool | None:
    """Lock a file that is open for reading and writing, until it is closed.

    Returns False when another process holds it, None where the system or the file system has no locks.
    """
    if sys.platform == "win32":
        return None
    import fcntl

    try:
        fcntl.flock(file, (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH) | fcntl.LOCK_NB)
    except OSError as error:
        return False if error.errno in _HELD else None
    return True
