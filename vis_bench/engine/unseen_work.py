"""What a run without an earlier one computes: multiply-adds or a timed step, and a clip of its data."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from statistics import fmean, median_low
from typing import TYPE_CHECKING, Any

from vis_bench.cache import default_cache_root
from vis_bench.engine.estimate import Work
from vis_bench.engine.image_stage import Stage
from vis_bench.engine.opened_data import OpenedData
from vis_bench.engine.plan import RunSpec
from vis_bench.engine.sources import code_hash
from vis_bench.method import Augmentation, MethodSpec
from vis_bench.records.run import CHECKPOINT_NAME
from vis_bench.setup.config import config_hash, to_dict
from vis_bench.setup.plugins import load_spec
from vis_bench.setup.seeds import axis_seed
from vis_bench.types import Dataset

if TYPE_CHECKING:
    from vis_bench.engine.run import Settings

PAPER = "paper"
HALF_PRECISIONS = ("bf16", "fp16")
_FRAME_PIXELS = 640 * 360
_COCO_SIZE = (480, 640)
# of a step that is timed: a frame of a whole batch takes about as long, and a plan should not take minutes
_TIMED_CLIPS = 2
_STATES = {"sgd": 1, "adamw": 2}


def is_paper(run: RunSpec) -> bool:
    """Whether the run has the sizes of its paper, or a variant of them."""
    return run.config_name.partition("+")[0] == PAPER


def can_be_timed(run: RunSpec, data: OpenedData) -> bool:
    """Whether it would be trained on this CPU."""
    there = importlib.util.find_spec("torch") is not None
    return there and device_kind(run.settings) == "cpu" and trains(run, data)


def device_kind(settings: Settings) -> str:
    """`cpu` or `cuda`, that of this machine where the device is `auto`."""
    kind = settings.device.partition(":")[0]
    if kind == "auto":
        import torch

        kind = "cuda" if torch.cuda.is_available() else "cpu"
    return kind


def label_of(run: RunSpec) -> str:
    """`method@configuration`."""
    return run.label.rpartition(" seed ")[0]


def work_of(run: RunSpec, data: OpenedData) -> Work:
    """What the run computes, with what counting and one clip of its data say of it."""
    from vis_bench.engine.measured_cost import loader_seconds, remembered, step_seconds, training_size
    from vis_bench.engine.training.clips.mixed_clips import training_clips

    spec, classes = load_spec(run.method), len(data.evaluated.categories)
    timed = not is_paper(run) and can_be_timed(run, data)
    work = plain_work(run, data, 0 if timed else macs_of(run, spec, classes))
    if not trains(run, data) or data.train is None:
        return work
    train = run.config.train
    sampler = training_clips(
        data.train,
        data.extra,
        train.sampling,
        train.augmentation,
        order_seed=axis_seed(run.seed, "data order"),
        augmentation_seed=axis_seed(run.seed, "augmentation"),
    )
    path = _cache_file(run, spec, classes, f"training-{data.train.annotation_hash[:16]}")
    size = remembered(
        path,
        lambda: dict(
            zip(
                ("parameters", "saved_bytes"),
                training_size(spec, run.config, classes, _clip_with_objects(sampler)),
                strict=True,
            )
        ),
    )
    seconds = None
    if timed:
        clips = [sampler.clip(index) for index in range(min(_TIMED_CLIPS, work.shard_clips))]
        frames = len(clips) * train.sampling.frames
        threads = run.settings.protocol.threads_per_job
        seconds = step_seconds(spec, run.config, classes, clips, threads) / frames
    return replace(
        work,
        parameters=size["parameters"],
        saved_bytes=size["saved_bytes"],
        loader_seconds=loader_seconds(sampler),
        frame_seconds=seconds,
    )


def stage_work(stage: Stage, run: Work) -> Work:
    """What the image stage of a run computes.

    Its images are taken to have the size of COCO's, 640x480, or of the run's frames where the generator draws
    them; loading and the multiply-adds of a frame are as in the run.
    """
    train, frames = stage.part.train, stage.part.frames
    images, augmentation = train.iterations * train.batch_size, train.augmentation
    scale = run.train_scale
    if stage.rules.data == "coco":
        sides: Sequence[int | None] = augmentation.short_sides or (None,)
        scale = fmean(scale_of(*_COCO_SIZE, side, augmentation.max_long_side) for side in sides)
    return replace(
        run,
        label=stage.label,
        train_frames=images * frames,
        train_clips=images,
        train_scale=scale,
        frame_seconds=None if run.frame_seconds is None else run.frame_seconds * scale / run.train_scale,
        track_frames=0,
        half=stage.precision in HALF_PRECISIONS,
    )


def _clip_with_objects(sampler: Any) -> Any:
    """Losses of an empty clip keep less."""
    clips = (sampler.clip(index) for index in range(20))
    return next((clip for clip in clips if len(clip.labels)), sampler.clip(0))


def macs_of(run: RunSpec, spec: MethodSpec, classes: int) -> int:
    """Multiply-adds of a frame of 640x360; counted once, some seconds."""
    from vis_bench.engine.measured_cost import counted_macs, remembered

    path = _cache_file(run, spec, classes, "macs")
    count = partial(counted_macs, spec, run.config, classes)
    return remembered(path, lambda: {"macs_per_frame": count()})["macs_per_frame"]


def _cache_file(run: RunSpec, spec: MethodSpec, classes: int, what: str) -> Any:
    key = config_hash(
        {"code": code_hash(run.method, spec), "config": to_dict(run.config), "classes": classes}
    )
    return (run.settings.cache_root or default_cache_root()) / "estimates" / f"{key[:16]}-{what}.json"


def plain_work(run: RunSpec, data: OpenedData, macs: int) -> Work:
    """Without what only a clip can say: parameters, memory and loading are 0 or unknown."""
    settings, train = run.settings, run.config.train
    trained = trains(run, data)
    phases = (train, *getattr(run.config, "later_training", ()))
    averaged = settings.protocol.training.ema_decay is not None
    return Work(
        label=label_of(run),
        macs_per_frame=macs,
        train_frames=train_frames_of(run) if trained else 0,
        train_clips=sum(phase.iterations * phase.batch_size for phase in phases) if trained else 0,
        train_scale=_train_scale(train.augmentation, data.train) if trained and data.train else 1.0,
        track_frames=sum(video.length for video in data.evaluated.videos),
        track_scale=_track_scale(run.config, data.evaluated),
        parameters=0,
        copies=2 + _STATES.get(train.optimizer, 2) + averaged,
        shard_clips=getattr(train, "shard_clips", None) or train.batch_size,
        saved_bytes=None,
        loader_seconds=0.0,
        half=run.precision in HALF_PRECISIONS,
    )


def trains(run: RunSpec, data: OpenedData) -> bool:
    """Whether there is something to train, and it is not there yet."""
    return run.settings.train and data.train is not None and not (run.train_dir / CHECKPOINT_NAME).exists()


def train_frames_of(run: RunSpec) -> int:
    """Frames that are trained on, all phases."""
    phases = (run.config.train, *getattr(run.config, "later_training", ()))
    return sum(phase.iterations * phase.batch_size * phase.sampling.frames for phase in phases)


def _train_scale(augmentation: Augmentation, dataset: Dataset) -> float:
    height, width = _usual_size(dataset)
    sides: Sequence[int | None] = augmentation.short_sides or (None,)
    return fmean(scale_of(height, width, side, augmentation.max_long_side) for side in sides)


def _track_scale(config: Any, dataset: Dataset) -> float:
    short = getattr(config, "test_short_side", None)
    return scale_of(*_usual_size(dataset), short, getattr(config, "test_max_long_side", None))


def scale_of(height: int, width: int, short_side: int | None, max_long_side: int | None) -> float:
    """Pixels of a resized frame over those of 640x360. short_side: None keeps the size.

    >>> scale_of(720, 1280, 360, 1333)
    1.0
    """
    factor = 1.0
    if short_side is not None:
        factor = short_side / min(height, width)
        if max_long_side is not None:
            factor = min(factor, max_long_side / max(height, width))
    return height * width * factor**2 / _FRAME_PIXELS


def _usual_size(dataset: Dataset) -> tuple[int, int]:
    """(height, width) of the video in the middle, by pixels."""
    return median_low(sorted((v.height * v.width, v.height, v.width) for v in dataset.videos))[1:]
