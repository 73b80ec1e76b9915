"""The image stage of a method: which weights a run starts from, and what they are called.

The weights belong to an architecture: they depend on the part of a configuration that decides them, on the
code, the images and the rules of the protocol, never on the seed of a run or on how it tracks. So variants,
and methods that share a network, share them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from typing import Protocol as Shape

from vis_bench.cache import default_cache_root
from vis_bench.data import catalog
from vis_bench.data.coco import open_coco
from vis_bench.data.extra import PseudoMotion
from vis_bench.data.frames import require_frames
from vis_bench.data.shapes.version import STILLS_VERSION
from vis_bench.engine.sources import code_hash
from vis_bench.errors import MethodError
from vis_bench.method import ClipSampling, ImageStage, MethodSpec, TrainConfig
from vis_bench.records.run import CHECKPOINT_NAME
from vis_bench.setup.config import config_hash, dotted_keys, override, to_dict
from vis_bench.setup.plugins import load_spec
from vis_bench.setup.protocol import ImageRules, Protocol
from vis_bench.types import Dataset

if TYPE_CHECKING:
    from vis_bench.engine.run import Settings

WARM_UP_SHARE = 20
FOLDER = "image-stages"
STAGE = " image stage"
"""What the label of a stage ends with."""


@dataclass(frozen=True, slots=True)
class StagePart:
    """What an image stage trains. method, config: as for `build_method`; name: for messages and files, such
    as `inspro@tiny`; train: its training on one-frame videos; frames: of a clip, made from one image."""

    method: str
    name: str
    config: Any
    train: TrainConfig
    frames: int


@dataclass(frozen=True, slots=True)
class Stage:
    """The image stage that a run starts from. key: hash of all that decides its weights. precision: a word of
    --precision."""

    part: StagePart
    key: str
    rules: ImageRules
    directory: Path
    precision: str = "fp32"

    @property
    def label(self) -> str:
        """Short name for progress and messages."""
        return f"{self.part.name}{STAGE}"

    @property
    def checkpoint(self) -> Path:
        """Its weights; there when they are whole."""
        return self.directory / CHECKPOINT_NAME

    @property
    def source(self) -> str:
        """Where a model comes from that starts from it, in words."""
        return f"image stage {self.part.name}, {self.rules.images:,} images of {self.rules.data}"


def open_images(settings: Settings, rules: ImageRules) -> Dataset | None:
    """The images of the stage as videos of one frame, with all their classes.

    None where COCO is asked for and not there. Raises DataError for COCO annotations that are malformed.
    """
    if rules.data == "stills":
        # it loads the renderer, which other data has no use for
        from vis_bench.data.stills import stills_dataset

        cache = settings.cache_root or default_cache_root()
        return stills_dataset(rules.seed, rules.distinct, cache, rules.alike_share)
    folder = Path(rules.path) if rules.path else catalog.coco_folder(settings.data_root)
    if folder is None:
        return None
    images = open_coco(folder, None)
    require_frames(images)
    return images


def stage_part(
    method: str, spec: MethodSpec, config_name: str, config: Any, protocol: Protocol
) -> StagePart | None:
    """What the image stage of a configuration trains; None for a method or a protocol without one.

    Optimiser, rate and augmentation are those of the named configuration, whatever a variant, the protocol
    or a value by hand changes in them: these concern the videos. Raises MethodError for a stage that names
    no method or no key.
    """
    stage, rules = spec.image_stage, protocol.image_stage
    if stage is None or rules is None:
        return None
    base_name = config_name.partition("+")[0]
    base = spec.configs[base_name]
    if stage.same_as is not None:
        if stage.as_that is None:
            raise MethodError(f"{spec.info.name}: image_stage.same_as needs as_that.")
        config, base = stage.as_that(config), stage.as_that(base)
        method, spec = stage.same_as, load_spec(stage.same_as)
        stage = spec.image_stage
        if stage is None or stage.same_as is not None:
            raise MethodError(f"image_stage.same_as: {method} has no image stage of its own.")
    _require_known(stage, config, spec.info.name)
    return StagePart(
        method,
        f"{spec.info.name}@{base_name}",
        override(config, stage.overrides),
        stage_training(base.train, rules, stage.frames),
        stage.frames,
    )


def stage_training(train: TrainConfig, rules: ImageRules, frames: int) -> TrainConfig:
    """The training of an image stage, from that of a configuration on videos.

    The rate is `from_imagenet_lr` where there is one, since the whole model learns; it falls to 1 % by a
    cosine after a warm-up of a twentieth. Shards keep their size where it divides the images of a step.
    """
    shard = train.shard_clips
    return replace(
        train,
        iterations=rules.iterations,
        batch_size=rules.images_per_step,
        lr=train.lr if train.from_imagenet_lr is None else train.from_imagenet_lr,
        from_imagenet_lr=None,
        backbone_lr_factor=(
            train.backbone_lr_factor if rules.backbone_lr_factor is None else rules.backbone_lr_factor
        ),
        schedule="cosine",
        lr_steps=(),
        warmup_iterations=max(1, rules.iterations // WARM_UP_SHARE),
        shard_clips=shard if shard is not None and rules.images_per_step % shard == 0 else None,
        sampling=ClipSampling(frames=frames),
    )


def identity_of_images(settings: Settings, rules: ImageRules) -> dict[str, Any] | None:
    """What the images are; None where COCO is asked for and not there. Makes no stills."""
    if rules.data == "stills":
        return {
            "version": STILLS_VERSION,
            **rules.model_dump(include={"seed", "distinct", "alike_share"}),
        }
    images = open_images(settings, rules)
    return None if images is None else {"coco": images.annotation_hash, "images": images.split_hash}


def planned_stage(part: StagePart, images: Mapping[str, Any], settings: Settings) -> Stage:
    """The stage with its name; equal parts have equal names. images: as `identity_of_images`."""
    protocol = settings.protocol
    rules = protocol.image_stage
    assert rules is not None
    spec = load_spec(part.method)
    start = protocol.initialisation.recipe if rules.backbone == "initialisation" else None
    content: dict[str, Any] = {
        "method": spec.info.name,
        "config": _deciding(part, spec),
        "train": to_dict(part.train),
        "rules": {"seed": rules.seed, "crop": rules.smallest_crop, "degrees": rules.degrees},
        "images": dict(images),
        "code": code_hash(part.method, spec, (start, protocol.training.auxiliary)),
        "start": [start, protocol.initialisation.options_by_content()] if start else None,
        "training": protocol.training.model_dump(
            mode="json", include={"ema_decay", "auxiliary", "auxiliary_weight"}
        ),
    }
    if (word := precision_of(spec, settings)) != "fp32":
        content["precision"] = word
    return named_stage(part, config_hash(content), settings)


def named_stage(part: StagePart, key: str, settings: Settings) -> Stage:
    """The stage of this key, as another process has planned it."""
    rules = settings.protocol.image_stage
    assert rules is not None
    cache = settings.cache_root or default_cache_root()
    directory = cache / FOLDER / f"{load_spec(part.method).info.name}-{key[:16]}"
    return Stage(part, key, rules, directory, precision_of(load_spec(part.method), settings))


def precision_of(spec: MethodSpec, settings: Settings) -> str:
    """The word of --precision asked for, else the method's own on this kind of device."""
    own = spec.gpu_precision if settings.device.startswith("cuda") else "fp32"
    return settings.precision or own


def motion_of(rules: ImageRules) -> PseudoMotion:
    """How the frames that are made from an image move."""
    return PseudoMotion(rules.smallest_crop, rules.degrees)


def _deciding(part: StagePart, spec: MethodSpec) -> dict[str, Any]:
    """The values of the configuration that the weights of the stage depend on."""
    assert spec.image_stage is not None
    values = to_dict(part.config)
    for key in ("train", *spec.image_stage.unused):
        *path, last = key.split(".")
        place = values
        for name in path:
            place = place[name]
        # a value at a default that is not written has no place here
        place.pop(last, None)
    return values


def _require_known(stage: ImageStage, config: Any, name: str) -> None:
    """Refuse keys that the configuration lacks: a term that should be off would be on. Raises MethodError."""
    known = dotted_keys(config)
    for key in (*stage.overrides, *stage.unused):
        if key not in known:
            raise MethodError(f"{name}: image_stage names {key!r}, which its configuration does not have.")


class Starts(Shape):
    """A run that may start from an image stage."""

    @property
    def stage(self) -> Stage | None: ...


def stages_of(runs: Iterable[Starts]) -> Mapping[str, Stage]:
    """The stages of runs by key, each once, in the order of the runs."""
    return {run.stage.key: run.stage for run in runs if run.stage is not None}
