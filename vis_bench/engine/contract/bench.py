"""A trained model and the videos on which its promises are looked at."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch

from vis_bench.engine.contract import scenes
from vis_bench.engine.contract.scenes import (
    Scene,
    blank_scene,
    draw_scene,
    first_frames,
    followed_by,
    hidden_after,
)
from vis_bench.engine.contract.subject import Subject
from vis_bench.engine.foreign import tell
from vis_bench.engine.track import track_video
from vis_bench.method import FrameResult, VideoInstance
from vis_bench.types import Dataset, Track, Video

KEPT_FRAMES = 3
SIZES = MappingProxyType(
    {
        "portrait 96x64": (96, 64),
        "odd 67x101": (67, 101),
        "large 120x176": (120, 176),
        "small 40x56": (40, 56),
    }
)


def _videos() -> dict[str, Scene]:
    """The scene that was trained on, longer, and what the checks make of it."""
    scene = draw_scene(1, 5, objects=2)
    late = hidden_after(draw_scene(1, 4, objects=2), 2)
    late = Scene(late.pixels[::-1].copy(), late.masks[::-1].copy(), late.labels)
    return {
        "scene": scene,
        "scene, then other": followed_by(scene, KEPT_FRAMES, draw_scene(2, 5, objects=3)),
        "scene, then black": hidden_after(scene, KEPT_FRAMES),
        "scene, cut": first_frames(scene, KEPT_FRAMES),
        "other": draw_scene(2, 3, objects=3),
        "one frame": first_frames(scene, 1),
        "black": blank_scene(2),
        "black, then scene": late,
        **{name: draw_scene(3, 2, objects=2, size=size) for name, size in SIZES.items()},
    }


class _Recorder:
    """Passes everything on to the method and keeps the frame results that go by."""

    def __init__(self, method: Any) -> None:
        self.method = method
        self.results: list[FrameResult] | None = None

    def track(self, video: Video, frames: Iterator[torch.Tensor]) -> Any:
        output = self.method.track(video, frames)
        if isinstance(output, list):
            return output
        self.results = []
        return self._kept(output, self.results)

    def _kept(self, output: Iterator[FrameResult], results: list[FrameResult]) -> Iterator[FrameResult]:
        for result in output:
            results.append(result)
            yield result

    def summarise(self, video: Video, results: Sequence[FrameResult]) -> list[VideoInstance]:
        return self.method.summarise(video, results)


@dataclass(frozen=True, slots=True)
class Tracked:
    """results: of each frame, None for a method that returns tracks at once."""

    tracks: tuple[Track, ...]
    results: tuple[FrameResult, ...] | None
    look_ahead_frames: int


@dataclass(frozen=True, slots=True)
class Bench:
    """subject: the method. trained: a model after a few steps. dataset: the videos, by name."""

    subject: Subject
    trained: Any
    dataset: Dataset
    folder: Path

    @property
    def kept_frames(self) -> int:
        """Frames that `scene` and its changed copies have in common."""
        return KEPT_FRAMES

    @property
    def sized(self) -> tuple[str, ...]:
        """Names of the videos of other sizes."""
        return tuple(SIZES)

    @property
    def num_classes(self) -> int:
        """C."""
        return len(self.dataset.categories)

    def video(self, name: str) -> Video:
        """A video by name."""
        return next(video for video in self.dataset.videos if video.name == name)

    def copy(self) -> Any:
        """An independent copy of the trained model."""
        return self.subject.copy(self.trained)

    def track(self, model: Any, name: str, seed: int = 0) -> Tracked:
        """Track one video as the engine does, with torch seeded. Raises MethodError for a broken contract."""
        model.eval()
        tell(model, self.dataset)
        recorder = _Recorder(model)
        torch.manual_seed(seed)
        iou_type = self.subject.spec.info.iou_type
        outcome = track_video(recorder, self.dataset, self.video(name), "cpu", iou_type)
        results = None if recorder.results is None else tuple(recorder.results)
        return Tracked(outcome.tracks, results, outcome.look_ahead_frames)


def open_bench(subject: Subject, trained: Any, folder: Path) -> Bench:
    """Write the videos below `folder` (empty)."""
    videos = [
        scenes.write_video(folder, number, name, scene)
        for number, (name, scene) in enumerate(_videos().items(), start=1)
    ]
    dataset = scenes.as_dataset(folder, videos, subject.class_names)
    tell(trained, dataset)
    return Bench(subject, trained, dataset, folder)
