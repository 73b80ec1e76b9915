"""Render videos to JPEG files and put their annotations together; one process or several, the same bytes."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from PIL import Image
from tqdm import tqdm

from vis_bench.data.shapes import truth
from vis_bench.data.shapes.parameters import FRAME_HEIGHT_PX, FRAME_WIDTH_PX, GENERATOR_SEED, SHAPE_SETS
from vis_bench.data.shapes.render import render_video
from vis_bench.data.shapes.scenario import draw_video, random_generator

JPEG_QUALITY = 90


@dataclass(frozen=True, slots=True)
class WrittenVideo:
    """What the annotation file says about one video: frame names, facts, and its objects."""

    file_names: list[str]
    facts: dict[str, Any]
    annotations: list[dict[str, Any]]


def write_videos(
    name: str, split: str, indices: Sequence[int], folder: Path, processes: int, progress: bool
) -> list[WrittenVideo]:
    """Write the frames of the videos `indices` under folder/JPEGImages; results in the order of indices."""
    one = partial(write_video, name, split, folder)
    label = f"{name} {split}"
    if processes <= 1 or multiprocessing.current_process().daemon:
        return list(_watched(map(one, indices), len(indices), label, progress))
    # A forked child starts at once and needs no importable main module; it only uses numpy and Pillow.
    kind = "fork" if "fork" in multiprocessing.get_all_start_methods() else "spawn"
    pool = ProcessPoolExecutor(processes, multiprocessing.get_context(kind), initializer=_start_worker)
    try:
        return list(_watched(pool.map(one, indices, chunksize=2), len(indices), label, progress))
    finally:
        pool.shutdown(cancel_futures=True)


def write_video(name: str, split: str, folder: Path, index: int) -> WrittenVideo:
    """Render video `index` of a split and write its frames as JPEG files."""
    parameters = SHAPE_SETS[name]
    rng = random_generator(f"{name}/{split}", index)
    plan = draw_video(parameters, parameters.splits[split].frames, index, rng)
    rendered = render_video(plan)
    video = f"{index:04d}"
    target = folder / "JPEGImages" / video
    target.mkdir(parents=True)
    file_names = []
    for t, frame in enumerate(rendered.frames):
        file_name = f"{t:05d}.jpg"
        Image.fromarray(frame).save(target / file_name, quality=JPEG_QUALITY)
        file_names.append(f"{video}/{file_name}")
    facts = truth.video_facts(plan, rendered)
    return WrittenVideo(file_names, facts, truth.object_annotations(plan, rendered))


def annotation_file(name: str, split: str, version: str, videos: Sequence[WrittenVideo]) -> dict[str, Any]:
    """The content of the annotation file; ids count from 1 in the order of `videos`."""
    entries: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for video_id, video in enumerate(videos, start=1):
        entries.append(
            {
                "id": video_id,
                "width": FRAME_WIDTH_PX,
                "height": FRAME_HEIGHT_PX,
                "length": len(video.file_names),
                "file_names": video.file_names,
                "facts": video.facts,
            }
        )
        for item in video.annotations:
            annotations.append({"id": len(annotations) + 1, "video_id": video_id, **item})
    return {
        "info": {
            "description": f"vis-bench synthetic set {name}, split {split}",
            "version": version,
            "seed": GENERATOR_SEED,
        },
        "licenses": [],
        "categories": truth.categories(),
        "videos": entries,
        "annotations": annotations,
    }


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
