"""Training clips made ahead of time by worker processes, in the order in which they are asked for.

A clip is a pure function of its index, so the workers change when it is made and not what it holds: every
number of workers gives the same bytes, and so does none.
"""

from __future__ import annotations

import contextlib
import ctypes
import dataclasses
import itertools
import math
import multiprocessing
import os
import signal
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol

import torch
from torch.multiprocessing import get_sharing_strategy
from torch.utils.data import DataLoader, Dataset

from vis_bench.engine.process.children import end_with_parent
from vis_bench.errors import UsageError, VisBenchError
from vis_bench.method import Clip

_ALIGNMENT = 64
_TRIM_EVERY_CLIPS = 32
# imported once by the process that the workers are forked from
_PRELOADED = ("vis_bench.engine.training.clips.mixed_clips", "vis_bench.engine.training.loader")


class Sampler(Protocol):
    """What makes clips; `ClipSampler` and its kin."""

    def clip(self, index: int) -> Clip:
        """Clip `index` (>= 0), the same whenever it is asked for."""


class WaitClock:
    """Seconds that were spent waiting for clips, or making them where there are no workers."""

    def __init__(self) -> None:
        self.seconds = 0.0


class ClipSource(Dataset[Any]):
    """A sampler as torch's loader reads it: clip `index` in one block, or the error that a user can mend.

    Such an error is handed over instead of raised, because a loader would wrap its text in a traceback.
    """

    def __init__(self, sampler: Sampler) -> None:
        self._sampler = sampler
        self._made = 0

    def __getitem__(self, index: int) -> PackedClip | VisBenchError:
        self._made += 1
        if self._made % _TRIM_EVERY_CLIPS == 0:
            _trim_memory()
        try:
            return pack(self._sampler.clip(index))
        except VisBenchError as error:
            return error


PackedClip = tuple[torch.Tensor, tuple[tuple[torch.dtype, tuple[int, ...]], ...]]
"""The bytes of all tensors of a clip in shared memory, and the type and shape of each."""


def pack(clip: Clip) -> PackedClip:
    """One block of shared memory for a clip: to hand over each tensor by itself costs more.

    Raises UsageError when shared memory is full.
    """
    parts = [getattr(clip, field.name) for field in dataclasses.fields(clip)]
    ends = list(itertools.accumulate(_aligned(part.nbytes) for part in parts))
    storage = torch.UntypedStorage._new_shared(max(ends[-1], 1))
    flat = torch.empty(0, dtype=torch.uint8).set_(storage)
    # written as a file, fresh pages cost half of what it takes to touch them one by one, and a full one is an
    # error instead of the end of the process
    file = storage._share_fd_cpu_()[0] if get_sharing_strategy() == "file_descriptor" else None
    for part, end in zip(parts, ends, strict=True):
        begin, data = end - _aligned(part.nbytes), part.contiguous().view(-1).view(torch.uint8)
        if file is None:
            flat[begin : begin + part.nbytes].copy_(data)
        elif part.nbytes:
            _write(file, data.numpy().data, begin)
    return flat, tuple((part.dtype, tuple(part.shape)) for part in parts)


def _write(file: int, data: memoryview, begin: int) -> None:
    try:
        written = os.pwrite(file, data, begin)
    except OSError as error:
        written, reason = 0, error.strerror
    else:
        reason = "no space"
    if written < data.nbytes:
        raise UsageError(
            f"A clip of the loader does not fit into shared memory ({reason}). Give the container more "
            "(docker run --shm-size 8g), or train with fewer workers (--workers)."
        )


def unpack(packed: PackedClip) -> Clip:
    """The clip; its tensors are views of the block."""
    flat, layout = packed
    parts, begin = [], 0
    for dtype, shape in layout:
        length = math.prod(shape) * dtype.itemsize
        parts.append(flat[begin : begin + length].view(dtype).view(shape))
        begin += _aligned(length)
    return Clip(*parts)


def _trim_memory() -> None:
    """Give free pages back to the system, where the C library can.

    Frames are large and short-lived, what is kept lies between them: without this a worker grows by a frame a
    clip for the first hundreds of clips.
    """
    with contextlib.suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)


def _aligned(length: int) -> int:
    return -(-length // _ALIGNMENT) * _ALIGNMENT


def shard_batches(
    sampler: Sampler,
    indices: Iterable[Sequence[int]],
    workers: int = 0,
    prefetch: int = 4,
    pin: bool = False,
    clock: WaitClock | None = None,
) -> Iterator[list[Clip]]:
    """The clips of each list of indices, list by list.

    indices: may be endless; read ahead by up to workers * prefetch clips. workers: processes, 0 makes the
    clips in the calling thread when they are asked for. prefetch: clips that each worker keeps ready (>= 1);
    all of them lie in shared memory. pin: put clips into pinned memory, for transfers that do not wait; only
    where there is CUDA. clock: counts the seconds between asking for a list and having it.

    The workers end with the iterator (`close` it, or let it go) and with the calling process. Torch's global
    generator is not drawn from. Raises what the sampler raises, when it is the turn of that clip; an error
    that is no VisBenchError keeps its type, and its text is the worker's traceback.
    """
    clock = WaitClock() if clock is None else clock
    if workers == 0:
        for wanted in indices:
            begin = time.perf_counter()
            clips = [sampler.clip(index) for index in wanted]
            clock.seconds += time.perf_counter() - begin
            yield clips
        return
    ahead, lists = itertools.tee(indices)
    loader = DataLoader(
        ClipSource(sampler),
        batch_size=None,
        sampler=itertools.chain.from_iterable(ahead),
        num_workers=workers,
        prefetch_factor=prefetch,
        collate_fn=_unchanged,
        pin_memory=pin and torch.cuda.is_available(),
        multiprocessing_context=_context(),
        worker_init_fn=_begin,
        # else the seed of the workers, which draw nothing, would be drawn from the global one
        generator=torch.Generator(),
    )
    begin = time.perf_counter()
    made = iter(loader)
    for wanted in lists:
        clips = [_clip(next(made)) for _ in wanted]
        clock.seconds += time.perf_counter() - begin
        yield clips
        begin = time.perf_counter()


def _clip(found: PackedClip | VisBenchError) -> Clip:
    if isinstance(found, VisBenchError):
        raise found
    return unpack(found)


def _unchanged(found: Any) -> Any:
    return found


def _begin(worker: int) -> None:
    """What a worker does first."""
    end_with_parent()
    # a signal to the whole group is for the trainer, which saves its state and then ends its workers
    for name in ("SIGINT", "SIGUSR1"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)


def _context() -> Any:
    """Workers are forked from a process that has imported torch and nothing else, where the system can: they
    share those pages, and none of the trainer's threads, locks and GPU state is copied.
    """
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(_PRELOADED))
    return context
