"""`vis-bench speed`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast, get_args

import typer

from vis_bench.commands.run import require_torch
from vis_bench.data import catalog
from vis_bench.engine.process.busy import machine_alone
from vis_bench.errors import EXIT_GATE_FAILED, EXIT_METHOD_FAILED, UsageError, did_you_mean
from vis_bench.files import dump_json, require_target, require_writable, write_json
from vis_bench.records.speed import FRAMES_MIN, CurveKind, Precision, Scenario
from vis_bench.report.speed.folder import curves_text, speed_text, write_curves, write_speed_folder
from vis_bench.setup.plugins import check_shadowing, expand_methods
from vis_bench.setup.protocol import load_protocol, protocol_for_dataset

SHORT_FRAMES = 20


@dataclass(frozen=True, slots=True)
class SpeedArguments:
    """The options of `vis-bench speed` as given."""

    methods: str
    dataset: str
    split: str | None
    scenario: str
    curve: str | None
    device: str
    precision: str
    compile: bool
    threads: int | None
    repeats: int
    frames: int | None
    short: bool
    weights: Path | None
    runs: Path | None
    out: Path
    dry_run: bool
    json: str | None
    data_root: Path | None


def speed_command(arguments: SpeedArguments) -> None:
    """Measure, then print and write tables. Exits 4 when a method failed, 1 when an audit failed."""
    check_shadowing()
    scenarios = _scenarios(arguments.scenario)
    _one_of("--precision", arguments.precision, get_args(Precision))
    if arguments.precision == "tf32" and not arguments.device.startswith("cuda"):
        raise UsageError("--precision tf32: only CUDA devices have it. Use fp32 or bf16, or --device cuda.")
    if arguments.curve is not None:
        _one_of("--curve", arguments.curve, get_args(CurveKind))
    frames = _frames(arguments)
    if arguments.weights is not None and arguments.runs is not None:
        raise UsageError("Give either --weights FILE or --runs FOLDER.")
    require_torch(arguments.device)
    from vis_bench.engine.speed.plan import SpeedSettings, plan_speed, protocols_for

    threads = arguments.threads or load_protocol(protocol_for_dataset(arguments.dataset)).threads_per_job
    protocols = protocols_for(
        scenarios[:1] if arguments.curve else scenarios,
        device_kind=arguments.device.partition(":")[0],
        precision=arguments.precision,
        compile=arguments.compile,
        threads=threads,
        frames=frames,
        repeats=1 if arguments.curve else arguments.repeats,
        short=arguments.short,
    )
    settings = SpeedSettings(
        dataset=arguments.dataset,
        split=arguments.split or catalog.default_split(arguments.dataset),
        protocols=protocols,
        out=arguments.out,
        device=arguments.device,
        data_root=arguments.data_root,
        weights=arguments.weights,
        runs=arguments.runs,
    )
    plans, dataset = plan_speed(list(expand_methods(arguments.methods)), settings)
    if arguments.dry_run:
        _print_plan(plans, dataset, arguments)
        return
    require_writable(arguments.out)
    require_target(arguments.json)
    with machine_alone() as warning:
        if warning is not None:
            _say(f"vis-bench: warning: {warning}")
        if arguments.curve:
            failed, wrong = _curve(plans, dataset, arguments), False
        else:
            failed, wrong = _speed(plans, dataset, arguments)
    if failed:
        raise typer.Exit(EXIT_METHOD_FAILED)
    if wrong:
        raise typer.Exit(EXIT_GATE_FAILED)


def _print_plan(plans: Sequence[Any], dataset: Any, arguments: SpeedArguments) -> None:
    """What would be measured, and how long it will take."""
    from vis_bench.engine.speed.jobs import curve_jobs, speed_jobs
    from vis_bench.engine.speed.measure import forecast

    if arguments.curve:
        values = _curve_values(dataset, arguments)
        jobs = curve_jobs(plans, dataset, cast(CurveKind, arguments.curve), values)
    else:
        jobs = speed_jobs(plans, dataset)
    for job in jobs:
        _say(f"{'to do' if job.result() is None else 'cached':<10} {job.name}")
    _say(forecast(jobs))


def _speed(plans: Sequence[Any], dataset: Any, arguments: SpeedArguments) -> tuple[bool, bool]:
    """(some method failed, some audit failed)."""
    from vis_bench.engine.speed.measure import measure_speed

    records = measure_speed(plans, dataset, _say)
    _write_json(arguments.json, records)
    typer.echo(speed_text(records), err=arguments.json == "-")
    _say(f"tables     {write_speed_folder(plans[0].directory.parent, records)}")
    wrong = any(audit.ok is False for record in records for audit in record.audits)
    return any(record.status == "failed" for record in records), wrong


def _curve_values(dataset: Any, arguments: SpeedArguments) -> Sequence[int]:
    """The points of the curve."""
    from vis_bench.engine.speed.material import LENGTHS, object_counts

    if arguments.curve == "objects":
        return object_counts(dataset)
    return LENGTHS[:2] if arguments.short else LENGTHS


def _curve(plans: Sequence[Any], dataset: Any, arguments: SpeedArguments) -> bool:
    """Whether some point failed."""
    from vis_bench.engine.speed.measure import measure_curve

    curve, values = cast(CurveKind, arguments.curve), _curve_values(dataset, arguments)
    records = measure_curve(plans, dataset, curve, values, _say)
    _write_json(arguments.json, records)
    typer.echo(curves_text(records), err=arguments.json == "-")
    for picture in write_curves(plans[0].directory.parent, records):
        _say(f"picture    {picture}")
    return any(record.failed for record in records)


def _scenarios(text: str) -> tuple[Scenario, ...]:
    if text == "both":
        return get_args(Scenario)
    _one_of("--scenario", text, (*get_args(Scenario), "both"))
    return (cast(Scenario, text),)


def _one_of(option: str, value: str, known: Sequence[str]) -> None:
    if value not in known:
        raise UsageError(f"{option} {value!r}: must be {', '.join(known)}.{did_you_mean(value, known)}")


def _frames(arguments: SpeedArguments) -> int:
    frames = arguments.frames or (SHORT_FRAMES if arguments.short else FRAMES_MIN)
    if frames < FRAMES_MIN and not arguments.short:
        raise UsageError(
            f"--frames {frames}: a measurement takes at least {FRAMES_MIN} frames. Add --short for a shorter "
            "one, which is marked as such."
        )
    return frames


def _say(text: str) -> None:
    """Progress and paths go to standard error."""
    typer.echo(text, err=True)


def _write_json(target: str | None, records: Sequence[Any]) -> None:
    if target is None:
        return
    payload = [record.model_dump(mode="json") for record in records]
    if target == "-":
        typer.echo(dump_json(payload, indent=1))
    else:
        write_json(Path(target), payload)
