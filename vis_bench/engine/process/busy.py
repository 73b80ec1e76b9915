"""One measurement of speed at a time, and none beside another job: a lock of the whole machine's user.

Runs share the lock, a measurement of speed wants it alone. It lies in the cache folder and ends with the
process, however that ends.
"""

from __future__ import annotations

import platform
from collections.abc import Iterator
from contextlib import contextmanager

from vis_bench.cache import default_cache_root
from vis_bench.engine.process.lock import take_lock
from vis_bench.errors import UsageError
from vis_bench.files import file_name

# a cache folder in a home that several machines share is no reason for one of them to wait for another
LOCK_NAME = f"busy-{file_name(platform.node() or 'here')}.lock"


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
def machine_alone() -> Iterator[str | None]:
    """Hold the machine for a measurement of speed. Raises UsageError beside any other vis-bench job.

    Gives None, or a warning where there are no file locks and so nothing can be held.
    """
    with _held(
        exclusive=True,
        refusal="another vis-bench job runs on this machine, so that speed cannot be measured. Wait for it, "
        "or end it.",
    ) as held:
        if held:
            yield None
            return
        yield (
            f"{default_cache_root()}: no file locks here, so nothing keeps another vis-bench job from "
            "running beside this measurement. See to it, or set VIS_BENCH_CACHE to a folder on a local disk."
        )


@contextmanager
def _held(exclusive: bool, refusal: str) -> Iterator[bool]:
    """Gives False where nothing can be locked."""
    path = default_cache_root() / LOCK_NAME
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # a shared lock needs a file that can be read, an exclusive one a file that can be written (NFS)
        file = path.open("a+", encoding="utf-8")
    except OSError as error:
        if exclusive:
            raise UsageError(
                f"{path}: the lock cannot be written ({error.strerror}). Set VIS_BENCH_CACHE to a folder "
                "that can."
            ) from None
        # a run needs no lock where nothing can be cached either
        yield False
        return
    with file:
        held = take_lock(file, exclusive)
        if held is False:
            raise UsageError(f"{path}: {refusal}")
        yield held is True
