"""What a process that executes a run, or trains along, is told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from vis_bench.engine.plan import RunSpec
from vis_bench.setup.plugins import load_spec
from vis_bench.setup.protocol import resolve_config

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

    @classmethod
    def of(cls, run: RunSpec) -> Order:
        """The order for a run."""
        names = ("method", "config_name", "seed", "settings", "train_hash", "run_hash", "precision")
        return cls(**{name: getattr(run, name) for name in names})

    def run(self) -> RunSpec:
        """The run, with its configuration."""
        settings = self.settings
        spec = load_spec(self.method)
        name, config = resolve_config(
            spec,
            self.config_name,
            settings.protocol,
            settings.overrides,
            settings.train_dataset,
            skip_unknown=True,
        )
        return RunSpec(
            self.method, name, config, self.seed, settings, self.train_hash, self.run_hash, self.precision
        )
