"""Driving one method over one video with a clock, through the same code that scored runs go through."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vis_bench.data.frames import load_video_frame
from vis_bench.engine.process.precision import precision
from vis_bench.engine.speed.clock import DECODE, METHOD, TO_DEVICE, StageClock, seconds_in_queue, synchroniser
from vis_bench.engine.track import track_video
from vis_bench.method import FrameResult, VideoInstance
from vis_bench.types import Dataset, IouType, Track, Video

Frames = Sequence[Tensor]


@dataclass(frozen=True, slots=True)
class Place:
    """Where methods run and how they compute. pinned: frames wait in page-locked memory."""

    device: str = "cpu"
    precision: str = "fp32"
    pinned: bool = False


@dataclass(frozen=True, slots=True)
class Passage:
    """One method over one video.

    wall_seconds: from before the first frame to the tracks, synchronised at both ends. stages: exclusive
    seconds. latencies: seconds from a frame handed over to its result, empty for a method that returns whole
    tracks. model_latencies: seconds of each frame charged to no stage outside the model (see `outside`).
    look_ahead_frames: frames taken beyond t before the result of t, at most. cpu_seconds: of all threads of
    the process. queue_seconds: ready, but without a processor; None where that is not known.
    """

    tracks: tuple[Track, ...]
    wall_seconds: float
    stages: dict[str, float]
    latencies: tuple[float, ...]
    model_latencies: tuple[float, ...]
    look_ahead_frames: int
    cpu_seconds: float
    queue_seconds: float | None


class _Feed(Iterator[Tensor]):
    """Frames of one video as the method gets them; `begun` holds when each was asked for."""

    def __init__(self, frames: Iterator[Tensor], clock: StageClock, device: str, pinned: bool) -> None:
        self._frames, self._clock, self._device, self._pinned = frames, clock, device, pinned
        self.begun: list[float] = []

    def __next__(self) -> Tensor:
        begun = time.perf_counter()
        with self._clock.stage(DECODE):
            frame = next(self._frames)
        self.begun.append(begun)
        with self._clock.stage(TO_DEVICE):
            # from page-locked memory the copy runs beside what the device does
            return frame.to(self._device, non_blocking=self._pinned)


class _Probe:
    """A method as `track_video` takes it, with a clock around every call; `track` gets other frames."""

    def __init__(self, method: Any, feed: _Feed, clock: StageClock, per_frame: Callable[[], None]) -> None:
        self._method, self._feed, self._clock = method, feed, clock
        self._synchronise = per_frame
        self.results: list[tuple[int, float, float]] = []
        self.look_ahead = 0

    def track(self, video: Video, _: Iterator[Tensor]) -> Iterator[FrameResult] | list[VideoInstance]:
        with self._clock.stage(METHOD):
            output = self._method.track(video, self._feed)
        if isinstance(output, list):
            self.look_ahead = max(0, len(self._feed.begun) - 1)
            return output
        return self._results(output)

    def _results(self, output: Iterator[FrameResult]) -> Iterator[FrameResult]:
        iterator = iter(output)
        while True:
            with self._clock.stage(METHOD):
                try:
                    result = next(iterator)
                except StopIteration:
                    return
                self._synchronise()
            self.look_ahead = max(self.look_ahead, len(self._feed.begun) - result.index - 1)
            self.results.append((result.index, time.perf_counter(), self._inside()))
            yield result

    def summarise(self, video: Video, results: Sequence[FrameResult]) -> list[VideoInstance]:
        with self._clock.stage(METHOD):
            return self._clock.timed(self._method.summarise, "associate")(video, results)

    def _inside(self) -> float:
        return self._clock.seconds[METHOD]


def drive(
    method: Any,
    dataset: Dataset,
    video: Video,
    place: Place,
    iou_type: IouType,
    frames: Frames | None = None,
    clock: StageClock | None = None,
    stream: bool = True,
) -> Passage:
    """Run one video.

    frames: uint8 [3, H, W] tensors in memory, page-locked where the place says so; None reads and decodes
    them while the method asks for them. clock: of a pass with stages; None makes one that leaves the device
    alone. stream: wait for the device after every frame. Raises MethodError as `track_video`.
    """
    wait = synchroniser(place.device)
    clock = StageClock() if clock is None else clock
    before = dict(clock.seconds)
    source = decoded(dataset, video) if frames is None else iter(frames)
    feed = _Feed(source, clock, place.device, place.pinned and frames is not None)
    probe = _Probe(method, feed, clock, wait if stream else lambda: None)
    with precision(place.precision, place.device):
        wait()
        queue_begin = seconds_in_queue()
        begin, cpu_begin = time.perf_counter(), time.process_time()
        with clock.running():
            outcome = track_video(probe, dataset, video, place.device, iou_type)
            wait()
        seconds, cpu_seconds = time.perf_counter() - begin, time.process_time() - cpu_begin
        queue_end = seconds_in_queue()
    latencies, inside, last = [], [], before.get(METHOD, 0.0)
    for index, at, model_seconds in probe.results:
        latencies.append(at - feed.begun[min(index, len(feed.begun) - 1)])
        inside.append(model_seconds - last)
        last = model_seconds
    stages = {name: value - before.get(name, 0.0) for name, value in clock.seconds.items()}
    queue = None if queue_begin is None or queue_end is None else queue_end - queue_begin
    return Passage(
        outcome.tracks, seconds, stages, tuple(latencies), tuple(inside), probe.look_ahead, cpu_seconds, queue
    )


def decoded(dataset: Dataset, video: Video) -> Iterator[Tensor]:
    """Frames of a video, read one at a time, uint8 [3, H, W]."""
    for index in range(video.length):
        yield as_tensor(load_video_frame(dataset, video, index))


def as_tensor(image: np.ndarray) -> Tensor:
    """[H, W, 3] uint8 -> [3, H, W]."""
    return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))
