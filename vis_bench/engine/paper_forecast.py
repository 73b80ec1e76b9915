"""Estimates for paper configurations that were never run here: `run --dry-run`, and a warning on CPUs."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from statistics import fmean, median_low
from typing import TYPE_CHECKING, Any

from vis_bench.cache import default_cache_root
from vis_bench.data.shapes.workers import available_processes
from vis_bench.engine.estimate import (
    Estimate,
    Machine,
    Work,
    assumptions,
    estimate,
    estimate_texts,
    long_duration,
)
from vis_bench.engine.image_stage import STAGE, Stage, precision_of
from vis_bench.engine.opened_data import OpenedData
from vis_bench.engine.plan import RunSpec
from vis_bench.engine.process.environment import device_name
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
_FRAME_PIXELS = 640 * 360
# operations per second of the data sheet (dense), and which part of them whole methods are taken to reach
_CARD = "an H100-class card"
_CARD_FLOPS: Mapping[str, tuple[float, float]] = {
    "fp32": (67e12, 0.4), "tf32": (495e12, 0.15), "bf16": (990e12, 0.15), "fp16": (990e12, 0.15),
}  # fmt: skip
# of what one convolution reaches on the device that is here
_SHARE_OF_PROBE = {"cpu": 0.5, "cuda": 0.4}
_COCO_SIZE = (480, 640)
_FEW_TRAINING_FRAMES = 2000
_STATES = {"sgd": 1, "adamw": 2}
_HALF = ("bf16", "fp16")


@dataclass(frozen=True, slots=True)
class Forecast:
    """texts: lines of the plan as (first word, text). covered: `method@configuration` that they speak of."""

    texts: tuple[tuple[str, str], ...]
    covered: frozenset[str]


def paper_forecast(
    runs: Sequence[RunSpec], data: OpenedData, unknown: Sequence[str], places: int
) -> Forecast:
    """Time, memory, loader cores and disk of the paper configurations among `unknown`.

    unknown: `method@configuration` of runs that no earlier one speaks of. places: runs side by side. Counts,
    loads and runs one clip of each on the CPU, some seconds the first time; what was counted lies in the
    cache. Empty without torch. A method that cannot be counted is named with the reason.
    """
    chosen = {label_of(run): run for run in reversed(runs) if label_of(run) in unknown and is_paper(run)}
    if not chosen or importlib.util.find_spec("torch") is None:
        return Forecast((), frozenset())
    settings = runs[0].settings
    seeds = len({run.seed for run in runs})
    works: list[_Asked] = []
    stages: dict[str, _Asked] = {}
    texts: list[tuple[str, str]] = []
    for label, run in reversed(chosen.items()):
        try:
            asked = _Asked(work_of(run, data), run.precision, _on_gpus(run.method, settings))
            works.append(asked)
            stage = run.stage
            if stage is not None and not stage.checkpoint.exists():
                part = _Asked(
                    stage_work(stage, asked.work), stage.precision, _on_gpus(stage.part.method, settings)
                )
                stages.setdefault(stage.key, part)
        except Exception as error:  # noqa: BLE001 - a stranger's method may raise anything; it is shown as the reason
            texts.append(("unknown", f"{label}: not estimated: {type(error).__name__}: {error}"))
    machine = cache(partial(machine_of, settings))
    found = [estimate(one.work, machine(one.precision)) for one in works]
    texts += estimate_texts(found, [machine(one.precision) for one in works], seeds, places)
    before = [estimate(one.work, machine(one.precision)) for one in stages.values()]
    if before:
        texts.append(("before", _stages_text(before)))
    if works and not machine(works[0].precision).on_gpu:
        everything = [*works * seeds, *stages.values()]
        cards = [_card(one.on_gpus) for one in everything]
        there = [estimate(one.work, card) for one, card in zip(everything, cards, strict=True)]
        texts.append(on_a_card(there, cards))
    return Forecast(tuple(texts), frozenset(chosen))


@dataclass(frozen=True, slots=True)
class _Asked:
    """precision: of this run, on_gpus: that it would have there; words of --precision."""

    work: Work
    precision: str
    on_gpus: str


def _on_gpus(method: str, settings: Settings) -> str:
    return precision_of(load_spec(method), replace(settings, device="cuda"))


def _stages_text(found: Sequence[Estimate]) -> str:
    each = ", ".join(f"{one.label.removesuffix(STAGE)} {long_duration(one.seconds)}" for one in found)
    total = long_duration(sum(one.seconds for one in found))
    return f"image stages, each once for all seeds: {each}; together about {total} in addition"


def on_a_card(found: Sequence[Estimate], cards: Sequence[Machine]) -> tuple[str, str]:
    """One line about the same runs, and the image stages before them, on another machine.

    cards: that machine in the precision of each.
    """
    total = sum(one.seconds for one in found)
    where = f"{cards[0].name} ({assumptions(cards)})"
    return "or", f"about {long_duration(total)} one after the other on {where}"


def cpu_warning(run: RunSpec, data: OpenedData) -> str | None:
    """Why not to train a paper configuration on a CPU, with how long it will take, or None.

    None for another configuration or device, where weights are there or nothing is trained, and for a
    training of a few steps. Counts the multiply-adds of a frame, some seconds the first time.
    """
    if run.settings.device.partition(":")[0] != "cpu" or not is_paper(run) or not _trains(run, data):
        return None
    if _train_frames(run) < _FEW_TRAINING_FRAMES or run.finished_record() is not None:
        return None
    label = label_of(run)
    label = f"{label} is made for GPUs:"
    repair = "Use --device cuda, or another configuration of the method (see `vis-bench methods show`)."
    try:
        macs = _macs(run, load_spec(run.method), len(data.evaluated.categories))
    except Exception as error:  # noqa: BLE001 - a stranger's method may raise anything; it is shown as the reason
        reason = f"{type(error).__name__}: {error}"
        return f"{label} it may take weeks on a CPU, how many is not known ({reason}). {repair}"
    machine = machine_of(run.settings, run.precision)
    found = estimate(_plain_work(run, data, macs), machine)
    return f"{label} about {long_duration(found.seconds)} on this CPU ({machine.assumed}). {repair}"


def is_paper(run: RunSpec) -> bool:
    """Whether the run has the sizes of its paper, or a variant of them."""
    return run.config_name.partition("+")[0] == PAPER


def label_of(run: RunSpec) -> str:
    """`method@configuration`."""
    return run.label.rpartition(" seed ")[0]


def machine_of(settings: Settings, word: str) -> Machine:
    """The device that is asked for, measured where it is here, else a card of the data sheet.

    word: of --precision, that of the run that is estimated.
    """
    import torch

    kind = settings.device.partition(":")[0]
    if kind == "auto":
        kind = "cuda" if torch.cuda.is_available() else "cpu"
    if kind == "cuda" and not torch.cuda.is_available():
        return _card(word)
    from vis_bench.engine.measured_cost import probed_flops

    device = kind if settings.device == "auto" else settings.device
    threads = settings.protocol.threads_per_job
    reached, share = probed_flops(device, word, threads), _SHARE_OF_PROBE[kind]
    where = f"{threads} thread{'s' if threads > 1 else ''}" if kind == "cpu" else word
    assumed = f"{share:.0%} of the {_operations(reached)} that a convolution reaches here ({where})"
    return Machine(device_name(device), share * reached, assumed, available_processes(), kind == "cuda")


def _card(word: str) -> Machine:
    flops, share = _CARD_FLOPS[word]
    assumed = f"{share:.0%} of {_operations(flops)} in {word}, an H100's; none is here"
    return Machine(_CARD, share * flops, assumed, None, on_gpu=True)


def _operations(flops: float) -> str:
    return f"{flops / 1e12:.0f} TFLOP/s" if flops >= 10e12 else f"{flops / 1e9:.0f} GFLOP/s"


def work_of(run: RunSpec, data: OpenedData) -> Work:
    """What the run computes, with what counting and one clip of its data say of it."""
    from vis_bench.engine.measured_cost import loader_seconds, remembered, training_size
    from vis_bench.engine.training.clips.mixed_clips import training_clips

    spec, classes = load_spec(run.method), len(data.evaluated.categories)
    work = _plain_work(run, data, _macs(run, spec, classes))
    if not _trains(run, data) or data.train is None:
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
    return replace(
        work,
        parameters=size["parameters"],
        saved_bytes=size["saved_bytes"],
        loader_seconds=loader_seconds(sampler),
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
        track_frames=0,
        half=stage.precision in _HALF,
    )


def _clip_with_objects(sampler: Any) -> Any:
    """Losses of an empty clip keep less."""
    clips = (sampler.clip(index) for index in range(20))
    return next((clip for clip in clips if len(clip.labels)), sampler.clip(0))


def _macs(run: RunSpec, spec: MethodSpec, classes: int) -> int:
    from vis_bench.engine.measured_cost import counted_macs, remembered

    path = _cache_file(run, spec, classes, "macs")
    count = partial(counted_macs, spec, run.config, classes)
    return remembered(path, lambda: {"macs_per_frame": count()})["macs_per_frame"]


def _cache_file(run: RunSpec, spec: MethodSpec, classes: int, what: str) -> Any:
    key = config_hash(
        {"code": code_hash(run.method, spec), "config": to_dict(run.config), "classes": classes}
    )
    return (run.settings.cache_root or default_cache_root()) / "estimates" / f"{key[:16]}-{what}.json"


def _plain_work(run: RunSpec, data: OpenedData, macs: int) -> Work:
    """Without what only a clip can say: parameters, memory and loading are 0 or unknown."""
    settings, train = run.settings, run.config.train
    trains = _trains(run, data)
    phases = (train, *getattr(run.config, "later_training", ()))
    averaged = settings.protocol.training.ema_decay is not None
    return Work(
        label=label_of(run),
        macs_per_frame=macs,
        train_frames=_train_frames(run) if trains else 0,
        train_clips=sum(phase.iterations * phase.batch_size for phase in phases) if trains else 0,
        train_scale=_train_scale(train.augmentation, data.train) if trains and data.train else 1.0,
        track_frames=sum(video.length for video in data.evaluated.videos),
        track_scale=_track_scale(run.config, data.evaluated),
        parameters=0,
        copies=2 + _STATES.get(train.optimizer, 2) + averaged,
        shard_clips=getattr(train, "shard_clips", None) or train.batch_size,
        saved_bytes=None,
        loader_seconds=0.0,
        half=run.precision in _HALF,
    )


def _trains(run: RunSpec, data: OpenedData) -> bool:
    return run.settings.train and data.train is not None and not (run.train_dir / CHECKPOINT_NAME).exists()


def _train_frames(run: RunSpec) -> int:
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
