"""One repeat of one scenario: warm-up, then every video in three passes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from vis_bench.data.predictions import result_record
from vis_bench.engine.speed.clock import DECODE, METHOD, TO_DEVICE, StageClock, synchroniser
from vis_bench.engine.speed.gpu import GpuSampler, gpu_facts
from vis_bench.engine.speed.marks import outside_model
from vis_bench.engine.speed.material import in_memory
from vis_bench.engine.speed.memory import memory_facts, reset_peak, resident_bytes
from vis_bench.engine.speed.probe import Passage, Place, drive
from vis_bench.engine.speed.warm_up import warm_up
from vis_bench.files import dump_json, sha256
from vis_bench.method import MethodInfo
from vis_bench.records.speed import P99_FRAMES_MIN, Percentiles, Repeat, SpeedProtocol
from vis_bench.setup.seeds import axis_seed
from vis_bench.types import Dataset, Track, Video

_PERCENTILE_FRAMES_MIN = 20


def seeded(video: Video) -> None:
    """The random numbers that a scored run (seed 0) draws for this video."""
    torch.manual_seed(axis_seed(0, "augmentation", video.id))


def time_repeat(
    model: Any,
    info: MethodInfo,
    dataset: Dataset,
    videos: Sequence[Video],
    place: Place,
    protocol: SpeedProtocol,
) -> dict[str, Any]:
    """Warm up and time, all of `videos` or as many as the protocol has seconds for.

    Returns `repeat` (see Repeat), `digests` (of the tracks, by `video_key`; several where one video came out
    differently), `tracks_per_frame`, and how many `frames` and distinct `videos` a pass had.
    """
    stream = protocol.scenario == "stream"
    warmed = warm_up(model, info, dataset, videos, place, protocol)
    before = gpu_facts(place.device)
    base, resettable = resident_bytes(), True
    clock = StageClock(synchroniser(place.device))
    digests: dict[str, list[str]] = {}
    passages, boxes, peaks = [], 0, []
    inside: list[float] = []
    decoding = 0.0
    wall = 0.0
    done: list[Video] = []
    sampler = GpuSampler(place.device)
    with sampler.running():
        # the three passes of a video follow one another: a machine that gets slower is slow for all three
        for video in videos:
            frames = in_memory(dataset, video, pinned=place.pinned)
            resettable = reset_peak(place.device) and resettable
            seeded(video)
            with sampler.watching():
                passage = drive(model, dataset, video, place, info.iou_type, frames, stream=stream)
            peaks.append(memory_facts(place.device))
            found = digests.setdefault(video_key(video), [])
            if (digest := tracks_digest(passage.tracks)) not in found:
                found.append(digest)
            boxes += appearances(passage.tracks)
            passages.append(_without_tracks(passage))
            wall += passage.wall_seconds
            done.append(video)
            if not protocol.end_to_end_only:
                with outside_model(model, clock):
                    seeded(video)
                    passage = drive(model, dataset, video, place, info.iou_type, frames, clock, stream)
                inside += passage.model_latencies
                # decoded frames take the place of these
                frames.clear()
                seeded(video)
                decoding += drive(model, dataset, video, place, info.iou_type, stream=stream).wall_seconds
            if protocol.seconds is not None and wall >= protocol.seconds:
                break
    memory = {
        **max(peaks, key=lambda facts: facts["peak_bytes"] or 0),
        "since_reset": resettable,
        "resident_before_bytes": base,
    }
    after = gpu_facts(place.device)

    accounted = sum(
        passage.stages.get(stage, 0.0)
        for passage in passages
        for stage in (METHOD, "associate", DECODE, TO_DEVICE)
    )
    queued = [passage.queue_seconds for passage in passages]
    latencies = [seconds for passage in passages for seconds in passage.latencies]
    several = len({video.id for video in done}) > 1
    frames_timed = sum(video.length for video in done)
    percentiles = stream and several and len(latencies) >= _PERCENTILE_FRAMES_MIN
    repeat = Repeat(
        end_to_end_seconds=wall,
        model_only_seconds=clock.seconds[METHOD] + clock.seconds["associate"],
        with_decoding_seconds=decoding,
        harness_seconds=max(0.0, wall - accounted),
        cpu_seconds=sum(passage.cpu_seconds for passage in passages),
        queue_seconds=None if None in queued else sum(seconds or 0.0 for seconds in queued),
        latency_ms=_percentiles(latencies) if percentiles else None,
        model_latency_ms=_percentiles(inside) if percentiles and inside else None,
        look_ahead_frames=max(passage.look_ahead_frames for passage in passages),
        memory=memory,
        gpu_before=before,
        gpu_after=after,
        # where time ends a repeat, each has its own
        frames=None if protocol.seconds is None else frames_timed,
        warm_up=warmed,
        gpu_samples=sampler.summary(),
    )
    return {
        "repeat": repeat.model_dump(mode="json"),
        "digests": digests,
        "tracks_per_frame": boxes / frames_timed,
        "frames": frames_timed,
        "videos": len({video.id for video in done}),
    }


def video_key(video: Video) -> str:
    """A video and how much of it, for results that are compared between processes."""
    return f"{video.id}:{video.length}"


def tracks_digest(tracks: Sequence[Track]) -> str:
    """SHA-256 of the tracks as the results file holds them, boxes included."""
    return sha256(dump_json([[result_record(track), track.boxes] for track in tracks]).encode())


def appearances(tracks: Sequence[Track]) -> int:
    """Masks (or boxes, of a method of boxes) of all tracks and frames."""
    return sum(
        sum(part is not None for part in track.segmentations)
        or sum(box is not None for box in track.boxes or ())
        for track in tracks
    )


def _without_tracks(passage: Passage) -> Passage:
    return replace(passage, tracks=())


def _percentiles(seconds: Sequence[float]) -> Percentiles:
    p50, p90, p99 = (float(value) * 1000 for value in np.percentile(seconds, (50, 90, 99)))
    return Percentiles(p50=p50, p90=p90, p99=p99 if len(seconds) >= P99_FRAMES_MIN else None)
