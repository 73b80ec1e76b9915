"""The image stage alone, as files that runs can start from: `vis-bench pretrain`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from vis_bench.engine.execute import run_image_stage
from vis_bench.engine.image_stage import identity_of_images, planned_stage, precision_of, stage_part
from vis_bench.engine.image_stage_training import stage_classes
from vis_bench.engine.plan import RunSpec, resolved
from vis_bench.engine.process.devices import choose_devices, default_workers
from vis_bench.engine.process.environment import require_torch
from vis_bench.engine.process.progress import Bars
from vis_bench.engine.run import Settings
from vis_bench.engine.training.weights import load_weights
from vis_bench.errors import DataError, UsageError
from vis_bench.files import require_writable
from vis_bench.setup.config import parse_assignment, to_dict
from vis_bench.setup.plugins import expand_methods, load_spec, split_variant
from vis_bench.setup.protocol import ImageRules, load_protocol
from vis_bench.weights.files import write_weights
from vis_bench.weights.metadata import Origin, write_origin
from vis_bench.weights.start import without_new

# of a protocol that has no image stage: 12 epochs of COCO's train2017, in steps of 16
_DEFAULT = ImageRules(data="coco", images=1_440_000, images_per_step=16, backbone="initialisation")


@dataclass(frozen=True, slots=True)
class Pretrained:
    """One file. name: `METHOD@CONFIG`; trained: here, else it was in the cache."""

    name: str
    path: Path
    source: str
    trained: bool


def pretrain(
    methods: str,
    data: str,
    out: Path,
    *,
    protocol: str = "paper",
    images: int | None = None,
    overrides: Iterable[str] = (),
    device: str = "auto",
    workers: int | None = None,
    precision: str | None = None,
    deterministic: bool = False,
) -> list[Pretrained]:
    """Train the image stage of methods and write `METHOD@CONFIG.safetensors` for each, for `run --start`.

    methods: as for `run`. data: `coco:PATH`, an annotation file or its folder; all of its classes are
    learned. protocol: whose rules the stage follows. images: source images seen, None for the protocol's. The
    weights are kept in the cache too: methods that share them are trained once, and a killed call goes on
    where it stopped.

    Raises UsageError (exit code 2), also for a method without an image stage, DataError (3) for the images,
    and what a training raises.
    """
    kind, separator, path = data.partition(":")
    if kind != "coco" or not separator or not path:
        raise UsageError(f"--data {data!r}: expected coco:PATH, PATH an annotation file or its folder.")
    given = load_protocol(protocol)
    rules = (given.image_stage or _DEFAULT).model_copy(update={"data": "coco", "path": path})
    if images is not None:
        rules = rules.model_copy(update={"images": images})
    devices = choose_devices(device)
    settings = Settings(
        dataset=f"coco:{path}",
        split="train",
        protocol=given.model_copy(update={"image_stage": rules}),
        out=out,
        device=devices.slots[0][0],
        overrides=tuple(parse_assignment(text) for text in overrides),
        workers=default_workers(devices) if workers is None else workers,
        precision=precision,
        deterministic=deterministic,
    )
    found = identity_of_images(settings, rules)
    if found is None:
        raise DataError(f"{path}: no COCO images.")
    runs = [_planned(text, settings, found) for text in expand_methods(methods)]
    require_torch(settings.device)
    require_writable(out)
    bars = Bars()
    try:
        return [_written(run, bars) for run in runs]
    finally:
        bars.close()


def _planned(text: str, settings: Settings, images: dict[str, object]) -> RunSpec:
    """A run that goes no further than its image stage."""
    method, config_name = split_variant(text)
    spec = load_spec(method)
    chosen, config = resolved(spec, config_name, settings)
    part = stage_part(method, spec, chosen, config, settings.protocol)
    if part is None:
        raise UsageError(
            f"{text}: the method describes no image stage (MethodSpec.image_stage), so there is nothing to "
            "train on images."
        )
    word = precision_of(spec, settings)
    run = RunSpec(method, chosen, config, 0, settings, train_hash="", run_hash="", precision=word)
    return replace(run, stage=planned_stage(part, images, settings))


def _written(run: RunSpec, bars: Bars) -> Pretrained:
    stage, spec = run.stage, load_spec(run.method)
    assert stage is not None
    assert spec.image_stage is not None
    trained = not stage.checkpoint.exists()
    run_image_stage(run, bars.callback(stage.label))
    name = f"{spec.info.name}@{run.config_name}"
    origin = Origin(
        method=spec.info.name,
        config=run.config_name,
        source=stage.source,
        class_names=tuple(stage_classes(stage)),
        config_values=to_dict(run.config),
    )
    path = run.settings.out / f"{name}.safetensors"
    write_weights(
        path, without_new(load_weights(stage.checkpoint), spec.image_stage.new), write_origin(origin)
    )
    return Pretrained(name, path, stage.source, trained)
