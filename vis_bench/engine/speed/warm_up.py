"""Warm-up: every input shape once, and on a GPU one video again and again until its time is stable."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from typing import Any

from vis_bench.engine.speed.material import in_memory, one_per_shape
from vis_bench.engine.speed.probe import Place, drive
from vis_bench.method import MethodInfo
from vis_bench.records.speed import SpeedProtocol, WarmUp
from vis_bench.types import Dataset, Video

STABLE_CHANGE_MAX = 0.02
# of a method whose time never settles: clocks that hunt for their limit, another program on the card
_LONGEST = 6
_VALUES_PER_THIRD_MIN = 2

Round = Callable[[], tuple[float, int]]
"""Tracks the same frames once more; gives wall seconds and frames."""


def last_change(times: Sequence[float]) -> float | None:
    """How much the last third of the times differs from the middle third, by their medians: 0.02 is 2 %.

    The first third holds what happens once: kernels are chosen, memory is taken, clocks rise. None for fewer
    than two times in a third.

    >>> last_change([9.0, 5.0, 1.0, 1.0, 1.1, 1.1])
    0.10000000000000009
    """
    third = len(times) // 3
    if third < _VALUES_PER_THIRD_MIN:
        return None
    middle, last = statistics.median(times[-2 * third : -third]), statistics.median(times[-third:])
    return abs(last / middle - 1)


def is_stable(times: Sequence[float]) -> bool:
    """Whether seconds per frame, round by round, have come to rest: the last change is at most 2 %."""
    change = last_change(times)
    return change is not None and change <= STABLE_CHANGE_MAX


def settle(once: Round, least_seconds: float, least_frames: int) -> WarmUp:
    """Repeat a round until the time per frame is stable, and at least so many seconds and frames were seen.

    Ends after six times `least_seconds` all the same; the result says whether it was stable. Nothing is run
    where both are 0.
    """
    seconds, frames = 0.0, 0
    times: list[float] = []
    if least_seconds <= 0 and least_frames <= 0:
        return WarmUp(seconds=0.0, frames=0, rounds=0, stable=None, last_change=None)
    while seconds < _LONGEST * least_seconds or frames < least_frames:
        if seconds >= least_seconds and frames >= least_frames and is_stable(times):
            break
        took, seen = once()
        seconds, frames = seconds + took, frames + seen
        times.append(took / seen)
    return WarmUp(
        seconds=seconds,
        frames=frames,
        rounds=len(times),
        stable=is_stable(times),
        last_change=last_change(times),
    )


def warm_up(
    model: Any,
    info: MethodInfo,
    dataset: Dataset,
    videos: Sequence[Video],
    place: Place,
    protocol: SpeedProtocol | None = None,
    beginnings: bool = False,
) -> WarmUp | None:
    """Track one mirrored video of every input shape, untimed.

    protocol: with a warm-up of seconds or frames, the first of these videos is then shown until its time is
    stable; None is returned without one. beginnings: only the first frames, of a clip-level method too.
    """
    material = one_per_shape(videos, info.online or beginnings)

    def once(video: Video, frames: Any) -> tuple[float, int]:
        passage = drive(model, dataset, video, place, info.iou_type, frames)
        return passage.wall_seconds, video.length

    for video in material:
        once(video, in_memory(dataset, video, mirrored=True, pinned=place.pinned))
    if protocol is None or (protocol.warm_up_seconds <= 0 and protocol.warm_up_frames <= 0):
        return None
    first = material[0]
    frames = in_memory(dataset, first, mirrored=True, pinned=place.pinned)
    return settle(lambda: once(first, frames), protocol.warm_up_seconds, protocol.warm_up_frames)
