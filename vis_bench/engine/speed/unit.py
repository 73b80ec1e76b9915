"""A whole measurement of speed as one unit, which an executor can place on a machine that it has alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vis_bench.engine.process.busy import machine_alone
from vis_bench.engine.speed.prepare import prepare


@dataclass(frozen=True, slots=True)
class Measured:
    """What came of it. folder: of tables and pictures. is_curve: how cost grows. failed: some method did.
    wrong: some audit failed. said: lines, a warning first where nothing keeps other jobs away."""

    records: Sequence[Any]
    folder: Path
    is_curve: bool
    failed: bool
    wrong: bool
    said: tuple[str, ...] = ()


def measure_here(methods: str, dataset: str, options: Mapping[str, Any]) -> Measured:
    """Measure on this machine; arguments and errors as `prepare`, UsageError beside another job."""
    measurement = prepare(methods, dataset, **options)
    said: list[str] = []
    with machine_alone() as warning:
        if warning is not None:
            said.append(f"vis-bench: warning: {warning}")
        records = measurement.measure(said.append)
    return Measured(
        records,
        measurement.folder,
        measurement.curve is not None,
        measurement.failed(records),
        measurement.wrong(records),
        tuple(said),
    )
