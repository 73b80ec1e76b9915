"""What a process that executes a run, or trains along, is told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from vis_bench.engine.image_stage import named_stage, stage_part
from vis_bench.engine.plan import RunSpec, from_backbone, resolved
from vis_bench.engine.starts import STRIDES_KEY, StartFile
from vis_bench.setup.config import override
from vis_bench.setup.plugins import load_spec

if TYPE_CHECKING:
    from vis_bench.engine.run import Settings


@dataclass(frozen=True, slots=True)
class Order:
    """A RunSpec without its configuration object, whose class may live in a plug-in file that a new process
    has not loaded yet; the worker resolves it again."""

    method: str
    config_name: str
    seed: int
    settings: Settings
    train_hash: str
    run_hash: str
    precision: str = "fp32"
    start: StartFile | None = None
    stride_in_1x1: bool | None = None
    stage_key: str | None = None

    @classmethod
    def of(cls, run: RunSpec) -> Order:
        """The order for a run."""
        names = (
            *("method", "config_name", "seed", "settings", "train_hash", "run_hash", "precision"),
            "start",
        )
        return cls(
            **{name: getattr(run, name) for name in names},
            # a file of weights may have decided it
            stride_in_1x1=getattr(getattr(run.config, "backbone", None), "stride_in_1x1", None),
            stage_key=None if run.stage is None else run.stage.key,
        )

    def run(self) -> RunSpec:
        """The run, with its configuration."""
        settings = self.settings
        spec = load_spec(self.method)
        name, config = resolved(spec, self.config_name, settings)
        if self.stride_in_1x1 is not None:
            config = override(config, {STRIDES_KEY: self.stride_in_1x1})
        stage = None
        if self.stage_key is not None:
            part = stage_part(self.method, spec, name, config, settings.protocol)
            assert part is not None
            stage = named_stage(part, self.stage_key, settings)
        elif settings.train and self.start is None:
            config = from_backbone(config, settings)
        return RunSpec(
            self.method,
            name,
            config,
            self.seed,
            settings,
            self.train_hash,
            self.run_hash,
            self.precision,
            self.start,
            stage,
        )
