"""One writer for each run directory, among all processes of all machines that share it."""

from __future__ import annotations

import errno
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from vis_bench.engine.process.lease import Lease, Watch, read_owner, try_lease
from vis_bench.errors import MethodError

LOCK_NAME = ".lock"
POLL_SECONDS = 0.5
_HELD = (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES)


def nobody_told(text: str) -> None:
    """Say nothing."""


@contextmanager
def locked(
    directory: Path, wait: bool = False, waiting: Callable[[str], object] = nobody_told
) -> Iterator[Lease]:
    """Hold the directory, making it; gives the lease, where the holder says how far it is.

    Two things are held: a lock of this machine, which ends with the process, however that ends, and a lease
    (`lease.py`) for the others, or for file systems without locks. wait: until another process has let it
    go; else raises MethodError when one holds it. waiting: is told whom it waits for, again and again.
    """
    directory.mkdir(parents=True, exist_ok=True)
    watch = Watch()
    with (directory / LOCK_NAME).open("a+", encoding="utf-8") as file:
        lease = None
        while lease is None:
            held = take_lock(file, exclusive=True) is not False
            lease = try_lease(directory, watch) if held else None
            if lease is not None:
                break
            if held:
                # who takes the lease over may not need to wait for our lock
                release_lock(file)
            owner = read_owner(directory)[1]
            who = "another vis-bench process" + (f" ({owner})" if owner is not None else "")
            if not wait and (not held or watch.holder(directory) is not None):
                raise MethodError(f"{directory}: {who} is working on this run. Wait for it, or end it.")
            waiting(who)
            time.sleep(POLL_SECONDS)
        try:
            yield lease
        finally:
            lease.release()


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


def release_lock(file: IO[str]) -> None:
    """Let a lock go, if the system has any."""
    if sys.platform == "win32":
        return
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_UN)
    except OSError:
        return
