"""One task in a process of its own: `python -m vis_bench.engine.speed.worker TASK.json RESULT.json`."""

from __future__ import annotations

import sys
import traceback
from pathlib import Path
from typing import Any

import torch

from vis_bench.engine.process.environment import hardware
from vis_bench.engine.process.precision import precision
from vis_bench.engine.speed.audit import repeated_video
from vis_bench.engine.speed.gpu import gpu_state
from vis_bench.engine.speed.material import (
    distinct,
    in_memory,
    of_length,
    timed_videos,
    videos_with_objects,
)
from vis_bench.engine.speed.memory import memory_facts, reset_peak, resident_bytes
from vis_bench.engine.speed.probe import Place, drive
from vis_bench.engine.speed.scenario import (
    appearances,
    seeded,
    time_repeat,
    tracks_digest,
    video_key,
)
from vis_bench.engine.speed.stages import stage_breakdown
from vis_bench.engine.speed.task import SpeedTask, build, open_task_data, place_of, task_config
from vis_bench.engine.speed.warm_up import warm_up
from vis_bench.engine.track import track_video
from vis_bench.errors import EXIT_METHOD_FAILED, VisBenchError
from vis_bench.files import read_json, write_json
from vis_bench.method import MethodSpec
from vis_bench.records.speed import CurvePoint
from vis_bench.setup.plugins import build_method
from vis_bench.types import Dataset, Video


def perform(task: SpeedTask) -> dict[str, Any]:
    """The result of a task, ready for JSON."""
    place = place_of(task)
    dataset = open_task_data(task)
    spec, model = build(task, dataset)
    if task.kind == "curve":
        result = _curve_point(task, spec, model, dataset, place)
    else:
        videos = timed_videos(dataset, task.protocol.frames, task.protocol.short)
        if task.kind == "time":
            result = time_repeat(model, spec.info, dataset, videos, place, task.protocol)
        else:
            result = _inspect(task, spec, model, dataset, distinct(videos), place)
    facts = {**hardware(task.device, torch.get_num_threads()), **gpu_state(task.device)}
    return {**result, "hardware": facts}


def _inspect(
    task: SpeedTask, spec: MethodSpec, model: Any, dataset: Dataset, videos: list[Video], place: Place
) -> dict[str, Any]:
    warm_up(model, spec.info, dataset, videos, place)
    audit = repeated_video(model, spec.info, dataset, place, task.protocol.short)
    scored = {}
    with precision(place.precision, place.device):
        for video in videos:
            seeded(video)
            outcome = track_video(model, dataset, video, place.device, spec.info.iou_type)
            scored[video_key(video)] = tracks_digest(outcome.tracks)
    stages = None
    if not task.protocol.compile:
        # hooks inside a compiled module would make it another one
        stages = stage_breakdown(model, spec.info, dataset, videos, place).model_dump(mode="json")
    return {
        "repeated": audit.model_dump(mode="json"),
        "scored": scored,
        "stages": stages,
        "parameters": {
            "total": sum(parameter.numel() for parameter in model.parameters()),
            "trainable": sum(p.numel() for p in model.parameters() if p.requires_grad),
        },
        **_macs(task, spec, dataset),
    }


def _macs(task: SpeedTask, spec: MethodSpec, dataset: Dataset) -> dict[str, Any]:
    """Multiply-adds as `vis-bench methods show` counts them, on the CPU."""
    # what it imports would count as memory of the processes that are timed
    from vis_bench.engine.complexity import HEIGHT, WIDTH, counted_config, measure

    config = counted_config(task_config(task, spec), spec.mac_count)
    try:
        with torch.inference_mode():
            torch.manual_seed(0)
            model = build_method(spec, config, len(dataset.categories))
        found = measure(model, config, spec.info.online, spec.mac_count)
    except Exception as error:  # noqa: BLE001 - a stranger's method may raise anything; it is shown as the reason
        return {"macs_note": f"multiply-adds not counted: {type(error).__name__}: {error}"}
    return {
        "macs_per_frame": found.macs_per_frame,
        "macs_frame": f"{WIDTH}x{HEIGHT}",
        "macs_zero_operations": list(found.uncounted),
    }


def _curve_point(
    task: SpeedTask, spec: MethodSpec, model: Any, dataset: Dataset, place: Place
) -> dict[str, Any]:
    if task.curve == "length":
        videos = [of_length(dataset.videos[0], task.value)]
    else:
        chosen = videos_with_objects(dataset, task.value)
        wanted, videos = task.protocol.frames, []
        while wanted > 0:
            videos.append(chosen[len(videos) % len(chosen)])
            wanted -= videos[-1].length
    # only the beginning: a whole clip of 1,000 frames twice would set the peak before it is measured
    warm_up(model, spec.info, dataset, videos, place, task.protocol, beginnings=True)
    reset = reset_peak(place.device)
    base = resident_bytes()
    seconds, cpu_seconds, found = 0.0, 0.0, 0
    for video in videos:
        seeded(video)
        frames = in_memory(dataset, video, pinned=place.pinned)
        passage = drive(model, dataset, video, place, spec.info.iou_type, frames)
        seconds += passage.wall_seconds
        cpu_seconds += passage.cpu_seconds
        found += appearances(passage.tracks)
    frames_timed = sum(video.length for video in videos)
    point = CurvePoint(
        value=task.value,
        frames=frames_timed,
        seconds_per_frame=seconds / frames_timed,
        cpu_seconds_per_frame=cpu_seconds / frames_timed,
        memory={**memory_facts(place.device), "since_reset": reset, "resident_before_bytes": base},
        tracks_per_frame=found / frames_timed,
    )
    return {"point": point.model_dump(mode="json")}


def main(task_path: Path, result_path: Path) -> int:
    """Perform and write; an error becomes a result, so that the other methods go on."""
    try:
        result = perform(SpeedTask.model_validate(read_json(task_path)))
    except VisBenchError as error:
        result = {"error": str(error), "error_code": error.exit_code}
    except Exception as error:  # noqa: BLE001 - a stranger's method may raise anything; it is reported, not hidden
        traceback.print_exc()
        result = {"error": f"{type(error).__name__}: {error}", "error_code": EXIT_METHOD_FAILED}
    write_json(result_path, result)
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
