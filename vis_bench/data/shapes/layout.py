"""One video on disk, and the annotation file of a split: the YouTube-VIS layout."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from vis_bench.data.shapes import truth
from vis_bench.data.shapes.parameters import FRAME_HEIGHT_PX, FRAME_WIDTH_PX, GENERATOR_SEED, SHAPE_SETS
from vis_bench.data.shapes.render import RenderedVideo, render_video
from vis_bench.data.shapes.scenario import VideoPlan, draw_video, random_generator
from vis_bench.data.shapes.version import FIRST_VERSION

JPEG_QUALITY = 90


@dataclass(frozen=True, slots=True)
class WrittenVideo:
    """What the annotation file says about one video: frame names, facts, and its objects."""

    file_names: list[str]
    facts: dict[str, Any]
    annotations: list[dict[str, Any]]


def write_video(name: str, split: str, folder: Path, index: int) -> WrittenVideo:
    """Render video `index` of a split and write its frames as JPEG files."""
    parameters = SHAPE_SETS[name]
    plan = plan_video(name, split, index)
    rendered = render_video(plan)
    written = write_plan(plan, rendered, folder, f"{index:04d}")
    if parameters.version != FIRST_VERSION:
        written.facts["late_objects"] = truth.late_objects(rendered.owners, len(plan.objects))
    return written


def plan_video(name: str, split: str, index: int) -> VideoPlan:
    """What happens in video `index` of a split, drawn from a random stream of its own."""
    parameters = SHAPE_SETS[name]
    rng = random_generator(f"{parameters.stream}/{split}", index)
    return draw_video(parameters, parameters.splits[split].frames, index, rng)


def write_plan(plan: VideoPlan, rendered: RenderedVideo, folder: Path, video: str) -> WrittenVideo:
    """Write the frames of a rendered video as JPEG files under folder/JPEGImages/<video>."""
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
    """The content of the annotation file; ids count from 1 in the order of `videos`.

    name: what the description calls the set.
    """
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
