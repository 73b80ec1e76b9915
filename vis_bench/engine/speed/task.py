"""One process of a measurement: what it is asked, and the method that it builds for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import BaseModel, ConfigDict

from vis_bench.data import catalog
from vis_bench.engine.foreign import brings_weights, tell
from vis_bench.engine.speed.probe import Place
from vis_bench.engine.training.loop import seed_everything
from vis_bench.errors import MethodError
from vis_bench.method import MethodSpec
from vis_bench.records.speed import CurveKind, SpeedProtocol
from vis_bench.setup.plugins import build_method, load_spec
from vis_bench.setup.protocol import load_protocol, protocol_for_dataset, resolve_config
from vis_bench.setup.seeds import axis_seed
from vis_bench.types import Dataset
from vis_bench.weights.load import load_exactly


class SpeedTask(BaseModel):
    """kind: `time` is one repeat of one scenario, `inspect` stages, audits and sizes, `curve` one point.

    method: name or path as given. value: of the curve's point.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["time", "inspect", "curve"]
    method: str
    config: str
    dataset: str
    split: str
    data_root: str | None = None
    device: str = "cpu"
    protocol: SpeedProtocol
    weights: str | None = None
    repeat: int = 0
    curve: CurveKind | None = None
    value: int = 0


def open_task_data(task: SpeedTask) -> Dataset:
    """The videos that the task is about."""
    return catalog.open_dataset(task.dataset, task.split, Path(task.data_root) if task.data_root else None)


def task_config(task: SpeedTask, spec: MethodSpec) -> Any:
    """The configuration under the protocol of the data set, as `vis-bench run` would choose it."""
    protocol = load_protocol(protocol_for_dataset(task.dataset))
    return resolve_config(spec, task.config, protocol, ())[1]


def place_of(task: SpeedTask) -> Place:
    """Device and precision; sets the number of threads for the whole process."""
    protocol = task.protocol
    torch.set_num_threads(protocol.threads)
    return Place(task.device, protocol.precision, protocol.pinned)


def build(task: SpeedTask, dataset: Dataset) -> tuple[MethodSpec, Any]:
    """(specification, model in evaluation mode on the device), the same random weights in every process.

    Raises MethodError when the weights do not fit exactly.
    """
    spec = load_spec(task.method)
    seed_everything(axis_seed(0, "init"))
    model_config = task_config(task, spec)
    model = build_method(spec, model_config, len(dataset.categories))
    if task.weights is not None and not brings_weights(spec):
        load_exactly(model, Path(task.weights), spec, model_config, None)
    model = model.to(task.device).eval()
    tell(model, dataset)
    if task.protocol.compile:
        if not hasattr(model, "backbone"):
            raise MethodError(f"{spec.info.name}: --compile needs a method with the attribute `backbone`.")
        model.backbone.compile()
    return spec, model
