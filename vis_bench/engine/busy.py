"""One measurement of speed at a time, and none beside another job: a lock of the whole machine's user.

Runs share the lock, a measurement of speed wants it alone. It lies in the cache folder and ends with the
process, however that ends.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from vis_bench.cache import default_cache_root
from vis_bench.errors import UsageError

LOCK_NAME = "busy.lock"


@contextmanager
def machine_shared() -> Iterator[None]:
    """Say that a job runs which does not measure speed; many may.

    Raises UsageError while speed is measured: the job would spoil that measurement.
    """
    with _held(
        exclusive=False,
        refusal="`vis-bench speed` is measuring on this machine, and a job beside it would spoil its "
        "numbers. Wait for it, or end it (what it has measured is kept).",
    ):
        yield


@contextmanager
def machine_alone() -> Iterator[None]:
    """Hold the machine for a measurement of speed. Raises UsageError beside any other vis-bench job."""
    with _held(
        exclusive=True,
        refusal="another vis-bench job runs on this machine, so that speed cannot be measured. Wait for it, "
        "or end it.",
    ):
        yield


@contextmanager
def _held(exclusive: bool, refusal: str) -> Iterator[None]:
    if sys.platform == "win32":
        yield
        return
    import fcntl

    path = default_cache_root() / LOCK_NAME
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a", encoding="utf-8")
    except OSError as error:
        if exclusive:
            raise UsageError(
                f"{path}: the lock cannot be written ({error.strerror}). Set VIS_BENCH_CACHE to a folder "
                "that can."
            ) from None
        # a run needs no lock where nothing can be cached either
        yield
        return
    with file:
        try:
            fcntl.flock(file, (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH) | fcntl.LOCK_NB)
        except OSError:
            raise UsageError(f"{path}: {refusal}") from None
        yield
