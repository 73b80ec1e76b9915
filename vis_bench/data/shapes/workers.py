"""Write many videos in one process or several; the result is the same bytes."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

from tqdm import tqdm

from vis_bench.data.shapes.layout import WrittenVideo, write_video


def write_videos(
    name: str, split: str, indices: Sequence[int], folder: Path, processes: int, progress: bool
) -> list[WrittenVideo]:
    """Write the frames of the videos `indices` under folder/JPEGImages; results in the order of indices."""
    one = partial(write_video, name, split, folder)
    return write_each(one, indices, processes, f"{name} {split}", progress)


def write_each(
    one: Callable[[int], WrittenVideo], indices: Sequence[int], processes: int, label: str, progress: bool
) -> list[WrittenVideo]:
    """`one` of each index, in so many processes; `one` can be pickled, and depends on its index alone."""
    if processes <= 1 or multiprocessing.current_process().daemon:
        return list(_watched(map(one, indices), len(indices), label, progress))
    # A forked child starts at once and needs no importable main module; it only uses numpy and Pillow.
    kind = "fork" if "fork" in multiprocessing.get_all_start_methods() else "spawn"
    pool = ProcessPoolExecutor(processes, multiprocessing.get_context(kind), initializer=_start_worker)
    try:
        return list(_watched(pool.map(one, indices, chunksize=2), len(indices), label, progress))
    finally:
        pool.shutdown(cancel_futures=True)


def available_processes() -> int:
    """How many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _watched(
    results: Iterator[WrittenVideo], total: int, label: str, progress: bool
) -> Iterator[WrittenVideo]:
    # disable=None shows the bar on a terminal only.
    yield from tqdm(results, total=total, desc=label, unit="video", disable=None if progress else True)


def _start_worker() -> None:
    # Ctrl-C reaches the whole process group; the parent alone decides and cleans up.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    # A parent that is killed cannot tell its workers to end; they would wait for work for ever.
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
