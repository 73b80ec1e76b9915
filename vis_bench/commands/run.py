"""`vis-bench run`."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

import typer

from vis_bench.data import catalog
from vis_bench.engine.plan import OpenedData, RunSpec, Settings, open_data, plan_runs, with_fresh
from vis_bench.engine.process.busy import machine_shared
from vis_bench.engine.process.progress import duration
from vis_bench.errors import EXIT_DATA, EXIT_METHOD_FAILED, DataError, MethodError, UsageError
from vis_bench.files import dump_json, require_target, require_writable, sha256, write_json
from vis_bench.records.rows import installed_protocols
from vis_bench.records.run import Record
from vis_bench.report.folder import write_run_report
from vis_bench.report.terminal.comparison_table import comparison_table
from vis_bench.report.terminal.verdicts import wrap_after
from vis_bench.setup.config import parse_assignment
from vis_bench.setup.plugins import check_shadowing, expand_methods, plugin_file
from vis_bench.setup.protocol import Extra, Protocol, load_protocol, protocol_for_dataset, protocol_names
from vis_bench.setup.seeds import parse_seeds

# file systems take names of 255 bytes
FOLDER_NAME_BYTES = 200


@dataclass(frozen=True, slots=True)
class RunArguments:
    """The options of `vis-bench run` as given."""

    methods: str
    dataset: str
    split: str | None
    protocol: str | None
    quick: bool
    seeds: str
    assignments: tuple[str, ...]
    out: Path
    json: str | None
    device: str
    jobs: int | None
    limit: int | None
    weights: Path | None
    train: bool
    fresh: bool
    dry_run: bool
    report: Path | None
    data_root: Path | None
    extra_data: str | None = None
    keep_frames: bool = False


def run_command(arguments: RunArguments) -> None:
    """Plan, run and report. Exits 4 when a method failed, after showing the others."""
    check_shadowing()
    methods = list(expand_methods(arguments.methods))
    seeds = parse_seeds(arguments.seeds)
    if not arguments.train and len(seeds) > 1:
        raise UsageError(
            f"--seeds {arguments.seeds} --no-train: one checkpoint has one result, and repeating it would "
            "look like an interval of zero. Leave --seeds out, or name one seed, such as `3,`."
        )
    settings = _settings(arguments)
    data = open_data(settings)
    runs = plan_runs(methods, seeds, settings, data)
    if arguments.fresh:
        runs = with_fresh(runs)
    _print_plan(runs, data)
    if arguments.dry_run:
        _print_forecast(runs, data, arguments.jobs)
        return
    require_torch(arguments.device)
    folder = arguments.report or _report_folder(arguments, settings)
    for target in (settings.out, folder):
        require_writable(target)
    require_target(arguments.json)
    from vis_bench.engine.sweep import default_jobs, run_sweep

    threads = settings.protocol.threads_per_job
    with machine_shared():
        outcomes = run_sweep(runs, data, arguments.jobs or default_jobs(arguments.device, threads))
    records = [outcome.record for outcome in outcomes]
    for outcome in outcomes:
        _say(f"{'cached' if outcome.cached else outcome.record.status:<10} {outcome.run.run_dir}")
    protocols = {
        **installed_protocols(),
        (settings.protocol.name, settings.protocol.content_hash()): settings.protocol,
    }
    table = comparison_table([record.model_dump(mode="json") for record in records], protocols=protocols)
    typer.echo(table, err=arguments.json == "-")
    path = write_run_report(
        folder, [(outcome.record, outcome.run.run_dir) for outcome in outcomes], [data.evaluated], protocols
    )
    _say(f"report     {path}")
    _write_json(arguments.json, records)
    failed = [outcome for outcome in outcomes if outcome.record.status == "failed"]
    for outcome in failed:
        _say(f"vis-bench: {outcome.run.label} failed: {outcome.record.error}")
    if failed:
        # broken data is the data's fault only where no method failed for a reason of its own
        codes = {outcome.record.error_code for outcome in failed}
        raise typer.Exit(EXIT_DATA if codes == {EXIT_DATA} else EXIT_METHOD_FAILED)


def _report_folder(arguments: RunArguments, settings: Settings) -> Path:
    """A report of some methods or of fewer videos has its own folder: it must not replace the one of all."""
    name = f"{Path(settings.dataset).name}-{settings.split}-{settings.protocol.name}"
    if settings.limit is not None:
        name += f"-first{settings.limit}"
    if arguments.methods != "all":
        name += "-" + "-".join(_file_name_of(part) for part in expand_methods(arguments.methods))
    whole = name.encode()
    if len(whole) > FOLDER_NAME_BYTES:
        name = f"{whole[:FOLDER_NAME_BYTES].decode(errors='ignore')}-{sha256(whole)[:8]}"
    return settings.out / "report" / name


def _file_name_of(method: str) -> str:
    file = plugin_file(method)
    return (method if file is None else f"{file[0].stem}_{file[1]}").replace("@", "_")


def _say(text: str) -> None:
    """Progress and paths go to standard error; standard output holds the table or the JSON."""
    typer.echo(text, err=True)


def _settings(arguments: RunArguments) -> Settings:
    if not arguments.train and arguments.weights is None:
        raise UsageError("--no-train needs --weights FILE: there is nothing to score without a checkpoint.")
    protocol = _with_extra(_protocol(arguments), arguments.extra_data)
    split = arguments.split or catalog.default_split(arguments.dataset)
    if arguments.weights is not None and not arguments.weights.is_file():
        raise DataError(f"{arguments.weights}: no such checkpoint (--weights).")
    return Settings(
        dataset=arguments.dataset,
        split=split,
        protocol=protocol,
        out=arguments.out,
        device=arguments.device,
        data_root=arguments.data_root,
        weights=arguments.weights,
        train=arguments.train,
        limit=arguments.limit,
        fresh=arguments.fresh,
        overrides=tuple(parse_assignment(text) for text in arguments.assignments),
        keep_frames=arguments.keep_frames,
    )


def _protocol(arguments: RunArguments) -> Protocol:
    """The protocol asked for, or the dataset's; with --quick its short version."""
    name = arguments.protocol or protocol_for_dataset(arguments.dataset)
    if not arguments.quick:
        return load_protocol(name)
    if f"{name}-quick" not in protocol_names():
        raise UsageError(
            f"--quick: protocol {name!r} has no short version; it is meant for --dataset shapes."
        )
    return load_protocol(f"{name}-quick")


def _with_extra(protocol: Protocol, text: str | None) -> Protocol:
    """The protocol with `FORMAT:PATH` as its extra data."""
    if text is None:
        return protocol
    kind, separator, path = text.partition(":")
    if kind != "coco" or not separator or not path:
        raise UsageError(f"--extra-data {text!r}: expected coco:PATH, PATH an annotation file or its folder.")
    training = protocol.training.model_copy(update={"extra": Extra(path=path)})
    return protocol.model_copy(update={"training": training})


def _print_plan(runs: list[RunSpec], data: OpenedData) -> None:
    evaluated = data.evaluated
    trained = (
        f"trained on {data.train.name} {data.train.split} ({len(data.train.videos)} videos)"
        f"{_extra_text(data)}, "
        if data.train
        else ""
    )
    _say(
        f"{len(runs)} run{'s' if len(runs) > 1 else ''}, {trained}evaluated on {evaluated.name} "
        f"{evaluated.split} ({len(evaluated.videos)} videos), protocol {runs[0].settings.protocol.name}"
    )
    for run in runs:
        state = "cached" if run.finished_record() is not None else "to do"
        _say(f"{state:<10} {run.label}")


def _print_forecast(runs: list[RunSpec], data: OpenedData, jobs: int | None) -> None:
    """Time, disk and the smallest difference that can be found, from the runs that lie in the same folder."""
    from vis_bench.engine.forecast import detectable_difference, earlier_records, expected_cost
    from vis_bench.engine.sweep import default_jobs

    settings = runs[0].settings
    earlier = earlier_records(settings.out)
    side_by_side = jobs or default_jobs(settings.device, settings.protocol.threads_per_job)
    cost = expected_cost(runs, data, earlier, side_by_side)
    if cost.known:
        _say_after(
            "time",
            f"about {duration(cost.seconds)}, {side_by_side} side by side; "
            f"disk about {cost.disk_bytes / 1e6:.0f} MB (both from earlier runs below {settings.out})",
        )
    if cost.unknown:
        _say_after("unknown", f"no earlier run to tell time and disk of: {', '.join(cost.unknown)}")
    found = detectable_difference(runs, data, earlier)
    if found is None:
        _say_after(
            "finds",
            "unknown; needs earlier runs of two methods on these videos under this protocol, with two shared "
            "seeds",
        )
        return
    study = (
        f"{found.seeds} seeds" if found.seeds > 1 else "one seed (fixed checkpoints, no claim on training)"
    )
    _say_after(
        "finds",
        f"differences from {found.points:.1f} AP points on, in 80 % of studies, with {study} and "
        f"{found.videos} videos; from {' and '.join(found.methods)}, "
        f"seeds {', '.join(map(str, found.earlier_seeds))}",
    )


def _say_after(word: str, text: str) -> None:
    """A line of the plan; what is too long goes on below its text."""
    for line in wrap_after(f"{word:<10} ", text):
        _say(line)


def _extra_text(data: OpenedData) -> str:
    if data.extra is None or data.train is None:
        return ""
    images, share = data.extra.dataset, float(data.extra.share_beside(data.train))
    return f" and {images.name} {images.split} ({len(images.videos)} images, {share:.0%} of the clips)"


def require_torch(device: str) -> None:
    """Raise MethodError without torch, UsageError for a device that this machine does not have."""
    # waiting threads that spin make two threads ten times slower than one as soon as another job runs;
    # OpenMP reads this once, when torch is loaded
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        import torch
        import torchvision  # noqa: F401
    except ModuleNotFoundError as error:
        raise MethodError(
            f"running methods needs {error.name}. Install it with: pip install 'vis-bench[methods]'"
        ) from None
    try:
        kind = torch.device(device)
    except RuntimeError:
        raise UsageError(f"--device {device!r}: must be cpu, cuda or cuda:N.") from None
    if kind.type not in ("cpu", "cuda"):
        raise UsageError(f"--device {device!r}: must be cpu, cuda or cuda:N.")
    if kind.type == "cuda" and (kind.index or 0) >= torch.cuda.device_count():
        raise UsageError(f"--device {device!r}: this machine has {torch.cuda.device_count()} CUDA devices.")


def _write_json(target: str | None, records: list[Record]) -> None:
    if target is None:
        return
    payload = [record.model_dump(mode="json") for record in records]
    if target == "-":
        sys.stdout.write(dump_json(payload, indent=1) + "\n")
    else:
        write_json(Path(target), payload)
