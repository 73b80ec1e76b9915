"""vis-bench speed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from vis_bench.cli.options import (
    Address,
    Associate,
    DataRoot,
    Device,
    ExecutorName,
    ExecutorOptions,
    JsonFile,
    Project,
    Prompt,
    put_json,
    say,
)

if TYPE_CHECKING:
    from vis_bench.engine.speed.unit import Measured


def speed(
    methods: Annotated[
        str, typer.Option("--methods", "-m", help="`all`, or names: stc,inspro@paper,my_method.py:SPEC.")
    ],
    dataset: Annotated[str, typer.Option("--dataset", "-d", help="Name or path, e.g. shapes, ./mine.")],
    split: Annotated[str | None, typer.Option(help="Split.  [default: as `run`]")] = None,
    scenario: Annotated[
        str, typer.Option(help="stream (frame by frame), offline (whole videos), or both.")
    ] = "both",
    curve: Annotated[
        str | None, typer.Option(metavar="length|objects", help="How time and memory grow, instead.")
    ] = None,
    device: Device = "auto",
    precision: Annotated[str, typer.Option(help="fp32, tf32, bf16 or fp16 (autocast).")] = "fp32",
    compile_: Annotated[bool, typer.Option("--compile", help="torch.compile the backbone.")] = False,
    threads: Annotated[
        int | None, typer.Option(min=1, help="CPU threads.  [default: the dataset's protocol]")
    ] = None,
    repeats: Annotated[int, typer.Option(min=1, help="Processes per method, interleaved.")] = 3,
    frames: Annotated[
        int | None, typer.Option(min=1, help="Frames per repeat.  [default: 500, on a GPU 2000 or 60 s]")
    ] = None,
    short: Annotated[bool, typer.Option("--short", help="20 frames, on a GPU 5 s; marked as such.")] = False,
    weights: Annotated[str | None, typer.Option(help="Checkpoint for every method.")] = None,
    runs: Annotated[
        str | None, typer.Option(help="Folder of runs whose weights are taken.  [default: random weights]")
    ] = None,
    out: Annotated[str, typer.Option(help="Folder of the records.")] = "runs/speed",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the processes and the time they take, and stop.")
    ] = False,
    json_: JsonFile = None,
    project: Project = None,
    associate: Associate = None,
    prompt: Prompt = None,
    executor: ExecutorName = None,
    executor_options: ExecutorOptions = None,
    address: Address = None,
    data_root: DataRoot = None,
) -> None:
    """Measure speed and memory under a stated protocol. Exits 1 when an audit of the measurement fails.

    Needs the machine for itself: it refuses to start beside another vis-bench job. What is measured is kept,
    and the same command goes on from there.

    \b
    Examples:
      vis-bench speed --methods all --dataset shapes --runs runs
      vis-bench speed --methods stc@paper --dataset shapes --scenario stream --short
      vis-bench speed --methods all --dataset shapes --curve length
    """
    from vis_bench.engine.process.busy import machine_alone
    from vis_bench.engine.speed.prepare import prepare
    from vis_bench.engine.speed.unit import Measured
    from vis_bench.files import require_target, require_writable

    asked: dict[str, Any] = dict(  # noqa: C408 - as the call below has them
        split=split,
        scenario=scenario,
        curve=curve,
        device=device,
        precision=precision,
        compile=compile_,
        threads=threads,
        repeats=repeats,
        frames=frames,
        short=short,
        weights=weights,
        runs=runs,
        out=out,
        data_root=data_root,
        project=project,
        associate=associate,
        prompt=prompt,
    )
    if executor not in (None, "local") and not dry_run:
        require_target(json_)
        _end(_elsewhere(str(executor), executor_options, address, methods, dataset, asked), json_)
        return
    measurement = prepare(methods, dataset, **asked)
    if dry_run:
        for job in measurement.jobs():
            say(f"{'to do' if job.result() is None else 'cached':<10} {job.name}")
        say(measurement.forecast())
        return
    require_writable(measurement.out)
    require_target(json_)
    with machine_alone() as warning:
        if warning is not None:
            say(f"vis-bench: warning: {warning}")
        records = measurement.measure(say)
    curve_asked = measurement.curve is not None
    failed, wrong = measurement.failed(records), measurement.wrong(records)
    _end(Measured(records, measurement.folder, curve_asked, failed, wrong), json_)


def _elsewhere(
    name: str,
    options_file: str | None,
    address: str | None,
    methods: str,
    dataset: str,
    asked: dict[str, Any],
) -> Measured:
    """Measure on a machine that an executor chooses. Raises what the measurement raised there."""
    from vis_bench.engine.executors.choose import open_executor
    from vis_bench.engine.process.failure import Failure
    from vis_bench.engine.speed.unit import measure_here
    from vis_bench.errors import MethodError

    place = open_executor(name, options_file, address, str(asked["out"]))
    # what is on the other machine is called by its own numbers
    found = place.devices(str(asked["device"]), 1)
    with place.working():
        measured = place.call(
            measure_here, (methods, dataset, {**asked, "device": found.slots[0][0]}), f"speed of {methods}"
        )
    if isinstance(measured, Failure):
        error = MethodError(measured.text)
        error.exit_code = measured.code
        raise error
    for text in measured.said:
        say(text)
    return measured


def _end(found: Measured, json_: str | None) -> None:
    """Print the tables, write them beside the records, and leave with the exit code."""
    from vis_bench.errors import EXIT_GATE_FAILED, EXIT_METHOD_FAILED
    from vis_bench.report.speed.folder import curves_text, speed_text, write_curves, write_speed_folder

    only_json = json_ == "-"
    put_json(json_, [record.model_dump(mode="json") for record in found.records])
    if found.is_curve:
        typer.echo(curves_text(found.records), err=only_json)
        for picture in write_curves(found.folder, found.records):
            say(f"picture    {picture}")
    else:
        typer.echo(speed_text(found.records), err=only_json)
        say(f"tables     {write_speed_folder(found.folder, found.records)}")
    if found.failed:
        raise typer.Exit(EXIT_METHOD_FAILED)
    if found.wrong:
        raise typer.Exit(EXIT_GATE_FAILED)
