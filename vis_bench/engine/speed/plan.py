"""What is measured: one SpeedPlan per method, with the processes that it takes and where their results go."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vis_bench.data import catalog
from vis_bench.data.frames import require_frames
from vis_bench.engine.foreign import brings_weights
from vis_bench.engine.opened_data import identity
from vis_bench.engine.process import precision
from vis_bench.engine.sources import code_hash
from vis_bench.engine.speed.task import SpeedTask
from vis_bench.errors import DataError, UsageError
from vis_bench.files import file_name, sha256
from vis_bench.method import MethodSpec
from vis_bench.records import speed as speed_records
from vis_bench.records.run import CHECKPOINT_NAME, find_records, read_record
from vis_bench.records.speed import CurveKind, Scenario, SpeedProtocol
from vis_bench.setup.config import config_hash, to_dict
from vis_bench.setup.plugins import load_spec, split_variant
from vis_bench.setup.protocol import Protocol, load_protocol, protocol_for_dataset, resolve_config
from vis_bench.types import Dataset


@dataclass(frozen=True, slots=True)
class SpeedSettings:
    """What all methods share. protocols: one per scenario. weights: a file for all; runs: where to look for
    each method's own; neither: random."""

    dataset: str
    split: str
    protocols: tuple[SpeedProtocol, ...]
    out: Path
    device: str = "cpu"
    data_root: Path | None = None
    weights: Path | None = None
    runs: Path | None = None


@dataclass(frozen=True, slots=True)
class SpeedPlan:
    """One method. directory: of its results; another one for other code, weights, data or protocol."""

    method: str
    spec: MethodSpec
    config_name: str
    config: Any
    settings: SpeedSettings
    weights: Path | None
    weights_text: str
    weights_hash: str | None
    directory: Path

    @property
    def label(self) -> str:
        """`method@config`."""
        return f"{self.spec.info.name}@{self.config_name}"

    def timing(self, protocol: SpeedProtocol, repeat: int) -> tuple[SpeedTask, Path]:
        """One repeat of one scenario, and the file of its result."""
        task = self._task(kind="time", protocol=protocol, repeat=repeat)
        return task, self.directory / f"{protocol.scenario}-{repeat}.json"

    def inspection(self) -> tuple[SpeedTask, Path]:
        """Stages, audits and sizes."""
        return self._task(
            kind="inspect", protocol=self.settings.protocols[0]
        ), self.directory / "inspect.json"

    def curve_point(self, curve: CurveKind, value: int) -> tuple[SpeedTask, Path]:
        """One point of a curve."""
        task = self._task(kind="curve", protocol=self.settings.protocols[0], curve=curve, value=value)
        return task, self.directory / f"{curve}-{value}.json"

    def _task(self, **given: Any) -> SpeedTask:
        settings = self.settings
        return SpeedTask(
            method=self.method,
            config=self.config_name,
            dataset=settings.dataset,
            split=settings.split,
            data_root=str(settings.data_root) if settings.data_root else None,
            device=settings.device,
            weights=str(self.weights) if self.weights else None,
            **given,
        )


def protocols_for(scenarios: Sequence[Scenario], **given: Any) -> tuple[SpeedProtocol, ...]:
    """The protocol of each scenario."""
    return tuple(SpeedProtocol(scenario=scenario, **given) for scenario in scenarios)


def plan_speed(methods: Sequence[str], settings: SpeedSettings) -> tuple[list[SpeedPlan], Dataset]:
    """Plans in order, and the data set. Raises UsageError for unknown names before anything is measured."""
    dataset = catalog.open_dataset(settings.dataset, settings.split, settings.data_root)
    require_frames(dataset)
    protocol = load_protocol(protocol_for_dataset(settings.dataset))
    plans = []
    for name in methods:
        method, config_name = split_variant(name)
        spec = load_spec(method)
        chosen, config = resolve_config(spec, config_name, protocol, ())
        weights, text = _weights(settings, protocol, spec, chosen, config)
        weights_hash = sha256(weights.read_bytes()) if weights else None
        shared = {name: value for name, value in settings.protocols[0].values().items() if name != "scenario"}
        key = config_hash(
            {
                "config": to_dict(config),
                "own_weights": spec.foreign.weights_hash if spec.foreign is not None else None,
                "code": code_hash(method, spec),
                "measuring": _measuring_hash(),
                "weights": weights_hash,
                "data": identity(dataset).model_dump(),
                "protocol": shared,
                "device": settings.device,
                "machine": platform.node(),
            }
        )
        place = settings.out / file_name(f"{Path(settings.dataset).name}-{settings.split}")
        name = file_name(f"{spec.info.name}@{chosen}-{key[:8]}")
        directory = place / settings.device.partition(":")[0] / name
        plans.append(
            SpeedPlan(method, spec, chosen, config, settings, weights, text, weights_hash, directory)
        )
    return list({plan.directory: plan for plan in plans}.values()), dataset


def _measuring_hash() -> str:
    """SHA-256 of the sources that measure, so that results of other ones are not mixed with theirs."""
    sources = sorted(Path(__file__).parent.glob("*.py"))
    elsewhere = [Path(speed_records.__file__), Path(precision.__file__)]
    return sha256(b"".join(path.read_bytes() for path in [*sources, *elsewhere]))


def _weights(
    settings: SpeedSettings, protocol: Protocol, spec: MethodSpec, config_name: str, config: Any
) -> tuple[Path | None, str]:
    """(checkpoint or None, what the record says of it).

    A variant that was never trained takes the weights of the configuration that it changes.
    """
    if brings_weights(spec):
        return None, "those that it brings"
    if settings.weights is not None:
        if not settings.weights.is_file():
            raise DataError(f"{settings.weights}: no such checkpoint (--weights).")
        return settings.weights, settings.weights.name
    if settings.runs is None:
        return None, "random"
    base, plus, _ = config_name.partition("+")
    ways = [(config_name, config, "")]
    if plus:
        ways.append((base, resolve_config(spec, base, protocol, ())[1], f", of {spec.info.name}@{base}"))
    runs = [
        (record, path.parent / CHECKPOINT_NAME)
        for path in find_records([settings.runs])
        if (record := read_record(path)).method == spec.info.name and record.status != "failed"
    ]
    for name, values, whose in ways:
        wanted = _inference_values(to_dict(values))
        for record, checkpoint in runs:
            same = record.config == name and _inference_values(record.config_values) == wanted
            if same and checkpoint.is_file():
                return checkpoint, f"run {record.run_hash[:8]}, seed {record.seed}{whose}"
    others = sorted({record.variant() for record, _ in runs})
    found = f" Found: {', '.join(others)}, of other values or without checkpoint." if others else ""
    raise UsageError(
        f"{settings.runs}: no finished run of {spec.info.name}@{config_name} with a checkpoint.{found} Train "
        "it first with `vis-bench run`, or leave --runs out for random weights."
    )


def _inference_values(values: dict[str, Any]) -> dict[str, Any]:
    """A configuration without its training, which decides weights and not what is computed with them."""
    return {key: value for key, value in values.items() if key not in ("train", "later_training")}
