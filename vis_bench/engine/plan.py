"""What a sweep will do: one RunSpec per method x dataset x protocol x seed, and where its files go."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vis_bench.engine.frame_store import has_frames
from vis_bench.engine.image_stage import Stage, identity_of_images, planned_stage, precision_of, stage_part
from vis_bench.engine.opened_data import OpenedData, identity
from vis_bench.engine.plan_checks import (
    require_as_given,
    require_known_overrides,
    require_known_values,
    require_own_rows,
)
from vis_bench.engine.sources import code_hash, scoring_hash
from vis_bench.engine.starts import StartFile, with_files
from vis_bench.engine.track_cap import capped
from vis_bench.engine.training.shards import shards_of
from vis_bench.errors import UsageError
from vis_bench.files import file_name, sha256
from vis_bench.method import MethodSpec, TrainConfig
from vis_bench.records.run import RECORD_NAME, Record, read_record
from vis_bench.setup import seeds as seed_axes
from vis_bench.setup.config import config_hash, override, to_dict
from vis_bench.setup.plugins import (
    full_name,
    load_spec,
    require_recipe,
    short_name,
    split_variant,
    without_place,
)
from vis_bench.setup.protocol import resolve_config
from vis_bench.setup.schedule import phases_of
from vis_bench.setup.train_ranges import require_trainable

if TYPE_CHECKING:
    from vis_bench.engine.run import Settings


@dataclass(frozen=True, slots=True)
class RunSpec:
    """One run. method: name, or absolute `path/to/file.py:NAME`; config: resolved, with all overrides;
    precision: a word of --precision; start: the file that training starts from, or None; stage: the image
    stage that it starts from, or None."""

    method: str
    config_name: str
    config: Any
    seed: int
    settings: Settings
    train_hash: str
    run_hash: str
    precision: str = "fp32"
    start: StartFile | None = None
    stage: Stage | None = None

    @property
    def label(self) -> str:
        """Short name for progress and messages."""
        return f"{short_name(self.method)}@{self.config_name} seed {self.seed}"

    @property
    def run_dir(self) -> Path:
        """Directory of record and predictions."""
        settings = self.settings
        data = file_name(f"{Path(settings.dataset).name}-{settings.split}")
        name = file_name(f"{self.label.replace(' ', '-')}-{self.run_hash[:8]}")
        return settings.out / data / file_name(settings.protocol.name) / name

    @property
    def train_dir(self) -> Path:
        """Directory of the trained weights, shared by all datasets that they are evaluated on, and by
        configurations of other names with the same values."""
        name = file_name(f"{short_name(self.method)}-seed-{self.seed}-{self.train_hash[:8]}")
        return self.settings.out / "trained" / name

    @property
    def iterations(self) -> int:
        """Training steps of all phases."""
        return sum(phase.iterations for phase in self.phases)

    @property
    def phases(self) -> tuple[TrainConfig, ...]:
        """The trainings of all phases."""
        return phases_of(self.config)

    def finished_record(self) -> Record | None:
        """The record of an earlier identical run that ended well and kept what is to be kept, or None."""
        path = self.run_dir / RECORD_NAME
        if not path.exists():
            return None
        record = read_record(path)
        # whole tracks have no frames to keep
        if self.settings.keep_frames and record.online and not has_frames(self.run_dir):
            return None
        return record if record.status in ("done", "not scored") else None


def plan_runs(
    methods: Sequence[str], seeds: Sequence[int], settings: Settings, data: OpenedData
) -> list[RunSpec]:
    """All runs, method by method within each seed; what is named twice is there once.

    Raises UsageError before any work for unknown names, for two methods that would share a row of the table,
    and for an override of the protocol that no method has.
    """
    protocol = settings.protocol
    specs: dict[str, MethodSpec] = {}
    # `stc,stc@tiny` names one run twice
    wanted: dict[tuple[str, str], Any] = {}
    named: dict[tuple[str, str], str] = {}
    for text in methods:
        method, config_name = split_variant(text)
        method = full_name(method)
        specs[method] = load_spec(method)
        chosen, config = resolved(specs[method], config_name, settings)
        wanted[method, chosen] = config
        named.setdefault((method, chosen), text)
    require_as_given(specs.values(), settings.train)
    starts: dict[tuple[str, str], StartFile] = {}
    stages: dict[tuple[str, str], Stage | None] = dict.fromkeys(wanted)
    if settings.start is not None or settings.weights is not None:
        wanted, starts = with_files(wanted, named, specs, settings)
    elif settings.train:
        stages = _stages(wanted, specs, settings)
        wanted = {
            key: config if stages[key] is not None else from_backbone(config, settings)
            for key, config in wanted.items()
        }
    require_own_rows(wanted, specs)
    require_known_values(settings.overrides, list(wanted.values()))
    require_known_overrides(protocol, specs.values())
    recipes = (protocol.initialisation.recipe, protocol.training.auxiliary)
    for recipe in recipes:
        if recipe is not None:
            require_recipe(recipe)
    code = {method: code_hash(method, spec, recipes) for method, spec in specs.items()}
    shared = {
        "protocol": protocol.content_hash(),
        "train_data": identity(data.train).model_dump() if data.train else None,
        "weights": sha256(settings.weights.read_bytes()) if settings.weights else None,
    }
    if data.extra is not None:
        shared["extra_data"] = identity(data.extra.dataset).model_dump()
    scored = {
        "data": identity(data.evaluated).model_dump(),
        "device": settings.device.partition(":")[0],
        "scoring": scoring_hash(),
    }
    if data.tuning is not None:
        scored["tuning"] = identity(data.tuning).model_dump()
    runs = []
    for seed in seeds:
        for (method, chosen), config in wanted.items():
            training = {
                # where a file lies decides nothing, what it holds is in its code
                "method": without_place(method),
                "config": to_dict(config),
                "seed": seed,
                "code": code[method],
            }
            foreign = specs[method].foreign
            if foreign is not None and foreign.weights_hash is not None:
                training["own_weights"] = foreign.weights_hash
            start = starts.get((method, chosen))
            if start is not None:
                training["start"] = {"sha256": start.sha256, "class_rows": settings.class_rows}
            config = capped(config, specs[method], settings.max_tracks)
            # no part of the training: its weights are the same
            after = {"max_tracks": settings.max_tracks} if config != wanted[method, chosen] else {}
            precision = precision_of(specs[method], settings)
            if precision != "fp32":
                training["precision"] = precision
            stage = stages[method, chosen]
            if stage is not None:
                training["image_stage"] = stage.key
            # neither the device nor the configuration's name: weights are shared where only tracking differs
            train_hash = config_hash({**shared, **training})
            run_hash = config_hash({**scored, "train": train_hash, "config_name": chosen, **after})
            runs.append(
                RunSpec(method, chosen, config, seed, settings, train_hash, run_hash, precision, start, stage)
            )
            if settings.train:
                require_trainable(config, runs[-1].label)
            _require_enough_shards(runs[-1])
    return runs


def resolved(spec: MethodSpec, config_name: str | None, settings: Settings) -> tuple[str, Any]:
    """(name, configuration) of a run, with all that protocol and command change in it."""
    return resolve_config(
        spec,
        config_name,
        settings.protocol,
        settings.overrides,
        settings.train_dataset,
        skip_unknown=True,
    )


def from_backbone(config: Any, settings: Settings) -> Any:
    """The configuration of a run that starts from its backbone alone, at the rate for that.

    A rate set by hand stays, and so does that of a protocol whose backbones start at random.
    """
    rate = getattr(config.train, "from_imagenet_lr", None)
    by_hand = "train.lr" in dict(settings.overrides)
    if rate is None or by_hand or settings.protocol.initialisation.recipe is None:
        return config
    return override(config, {"train.lr": rate})


def _stages(
    wanted: Mapping[tuple[str, str], Any], specs: Mapping[str, MethodSpec], settings: Settings
) -> dict[tuple[str, str], Stage | None]:
    """The image stage of every row; None for a method or a protocol without one."""
    found: dict[tuple[str, str], Stage | None] = dict.fromkeys(wanted)
    rules = settings.protocol.image_stage
    if rules is None:
        return found
    parts = {
        (method, chosen): stage_part(method, specs[method], chosen, config, settings.protocol)
        for (method, chosen), config in wanted.items()
    }
    images = identity_of_images(settings, rules) if any(parts.values()) else None
    if images is not None:
        found |= {key: planned_stage(part, images, settings) for key, part in parts.items() if part}
    return found


def _require_enough_shards(run: RunSpec) -> None:
    """Every device of a run needs a shard of every phase. Raises UsageError, also for odd shards."""
    devices = len(run.settings.devices)
    if not run.settings.train:
        return
    for train in run.phases:
        shards = shards_of(train).count
        if devices > shards:
            raise UsageError(
                f"--devices: {devices} devices for {run.label}, whose steps have {shards} "
                f"shard{'s' if shards > 1 else ''} (batch {train.batch_size}, train.shard_clips "
                f"{train.shard_clips or train.batch_size}). Use at most {shards}, or smaller shards."
            )


def axis_seeds(master: int) -> dict[str, int]:
    """The seed of every axis, for the record."""
    return {axis: seed_axes.axis_seed(master, axis) for axis in seed_axes.AXES}


def with_fresh(runs: Sequence[RunSpec]) -> list[RunSpec]:
    """The same runs in new directories, so that recomputing overwrites nothing.

    A call that was killed goes on in the directories that it had begun, and with what it had finished.
    """
    for number in count(1):
        renewed = [_renewed(run, number) for run in runs]
        begun = [run for run in renewed if run.run_dir.exists()]
        killed = any(not (run.run_dir / RECORD_NAME).exists() for run in begun)
        if killed or not (begun or any(run.train_dir.exists() for run in renewed)):
            break
    return renewed


def _renewed(run: RunSpec, number: int) -> RunSpec:
    return replace(
        run,
        run_hash=config_hash({"run": run.run_hash, "fresh": number}),
        train_hash=config_hash({"train": run.train_hash, "fresh": number}),
    )
