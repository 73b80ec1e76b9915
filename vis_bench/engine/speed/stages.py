"""The stage breakdown: a pass of its own, with the device synchronised at every change of stage."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vis_bench.engine.speed.clock import METHOD, StageClock, synchroniser
from vis_bench.engine.speed.marks import STAGES, all_stages
from vis_bench.engine.speed.probe import Place, drive
from vis_bench.engine.speed.scenario import seeded
from vis_bench.method import MethodInfo
from vis_bench.records.speed import Stages
from vis_bench.types import Dataset, Video

UNACCOUNTED_MAX = 0.02


def stage_breakdown(
    model: Any, info: MethodInfo, dataset: Dataset, videos: Sequence[Video], place: Place
) -> Stages:
    """Seconds by stage over the videos, frames decoded on the way."""
    clock = StageClock(synchroniser(place.device))
    wall = 0.0
    with all_stages(model, clock):
        for video in videos:
            seeded(video)
            wall += drive(model, dataset, video, place, info.iou_type, clock=clock).wall_seconds
    return summed(dict(clock.seconds), wall)


def summed(seconds: dict[str, float], wall: float) -> Stages:
    """Stages in order; what the method did outside of all of them, and what no clock saw, is unaccounted."""
    known = {stage: seconds.get(stage, 0.0) for stage in STAGES}
    missing = wall - sum(known.values())
    explained = 1.0 if wall <= 0 else sum(known.values()) / wall
    unclear = abs(1 - explained) > UNACCOUNTED_MAX or seconds.get(METHOD, 0.0) > UNACCOUNTED_MAX * wall
    return Stages(
        seconds=known,
        unaccounted_seconds=missing,
        wall_seconds=wall,
        explained=explained,
        flagged=unclear,
    )
