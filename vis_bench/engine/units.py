"""What a sweep computes beside runs: the image stages that they start from, each once and first."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from vis_bench.engine.image_stage import Stage
from vis_bench.engine.plan import RunSpec
from vis_bench.engine.process.failure import Failure
from vis_bench.engine.process.lease import Owner, Watch
from vis_bench.records.run import CHECKPOINT_NAME


@dataclass(frozen=True, slots=True)
class Unit:
    """A run, or the image stage that the run and others start from."""

    run: RunSpec
    makes: Stage | None = None

    @property
    def label(self) -> str:
        """Short name for progress and messages."""
        return self.run.label if self.makes is None else self.makes.label

    @property
    def steps(self) -> int:
        """Training steps."""
        return self.run.iterations if self.makes is None else self.makes.part.train.iterations


def stage_units(runs: Sequence[RunSpec]) -> list[Unit]:
    """One for each image stage that has no weights yet and that a run without weights starts from."""
    first: dict[str, Unit] = {}
    for run in runs:
        stage = run.stage
        if stage is None or stage.checkpoint.exists() or _trained(run):
            continue
        first.setdefault(stage.key, Unit(run, stage))
    return list(first.values())


def in_order(runs: Sequence[RunSpec]) -> list[Unit]:
    """Units in the order in which they should start: stages first, long trainings first among either, so that
    no processor waits for a long last one."""
    stages = sorted(stage_units(runs), key=lambda unit: -unit.steps)
    return [*stages, *sorted(map(Unit, runs), key=lambda unit: -unit.steps)]


def may_start(unit: Unit, active: Iterable[Unit], waiting: Iterable[Unit]) -> bool:
    """Two units must not train the same weights, and a run waits for its image stage."""
    if unit.makes is not None or _trained(unit.run):
        return True
    active = list(active)
    if any(other.makes is None and other.run.train_dir == unit.run.train_dir for other in active):
        return False
    stage = unit.run.stage
    return stage is None or all(
        other.makes is None or other.makes.key != stage.key for other in (*active, *waiting)
    )


def held_elsewhere(unit: Unit, watch: Watch) -> Owner | None:
    """Who, of other processes on any machine, computes a unit or the weights that it needs; None for
    nobody."""
    if unit.makes is not None:
        return watch.holder(unit.makes.directory)
    own = watch.holder(unit.run.run_dir)
    return own if own is not None or _trained(unit.run) else watch.holder(unit.run.train_dir)


def needs(unit: Unit, stage: Stage) -> bool:
    """Whether a run cannot be had without this stage."""
    own = unit.run.stage
    return unit.makes is None and own is not None and own.key == stage.key and not _trained(unit.run)


def failure_of(stage: Stage, failure: Failure) -> Failure:
    """What a run says whose image stage has failed."""
    return replace(failure, text=f"{stage.label}: {failure.text}")


def _trained(run: RunSpec) -> bool:
    return (run.train_dir / CHECKPOINT_NAME).exists()
