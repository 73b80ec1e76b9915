"""One writer for each run directory: a second vis-bench on the same runs is told so."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vis_bench.errors import MethodError

LOCK_NAME = ".lock"


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Hold the directory's lock; it ends with the process, however that ends.

    Raises MethodError when another process holds it. Without file locks (Windows) nothing is checked.
    """
    if sys.platform == "win32":
        yield
        return
    import fcntl

    directory.mkdir(parents=True, exist_ok=True)
    with (directory / LOCK_NAME).open("w", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise MethodError(
                f"{directory}: another vis-bench process is working on this run. Wait for it, or end it."
            ) from None
        yield
