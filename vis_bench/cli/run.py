"""vis-bench run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vis_bench.cli.options import (
    Address,
    Associate,
    Changes,
    Columns,
    DataRoot,
    Deterministic,
    Device,
    ExecutorName,
    ExecutorOptions,
    Precision,
    Project,
    Prompt,
    Threshold,
    Workers,
    put_json,
    say,
)
from vis_bench.cli.run_plan import Forecast, print_forecast, print_plan, print_total, say_after, warnings

if TYPE_CHECKING:
    from vis_bench.engine.run import Settings, Sweep
    from vis_bench.engine.sweep import Outcome

# file systems take names of 255 bytes
FOLDER_NAME_BYTES = 200
SAID_NOTES = ("the cap of", "classes: ", "prompted with ")
"""Beginnings of what is said of a run at once; the other notes stand in its record."""
ERROR_BELOW = "see the end"


def run(
    context: typer.Context,
    study: Annotated[
        str | None,
        typer.Argument(metavar="[STUDY.toml]", help="A study file, instead of the options it holds."),
    ] = None,
    methods: Annotated[
        str | None,
        typer.Option("--methods", "-m", help="`all`, or names: stc,inspro@tiny,my_method.py:SPEC."),
    ] = None,
    dataset: Annotated[
        str | None, typer.Option("--dataset", "-d", help="Name or path, e.g. shapes, ytvis21, ./mine.")
    ] = None,
    split: Annotated[
        str | None, typer.Option(help="Split to evaluate.  [default: test, devval or val, by dataset]")
    ] = None,
    protocol: Annotated[
        str | None, typer.Option(help="Protocol name or TOML file.  [default: by dataset]")
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Short schedules: the protocol PROTOCOL-quick.")
    ] = False,
    seeds: Annotated[str, typer.Option(help="How many seeds (3), or which (0,1,4).")] = "1",
    set_: Changes = None,
    out: Annotated[str, typer.Option(help="Folder of the run directories.")] = "runs",
    json_: Annotated[
        str | None, typer.Option("--json", metavar="PATH", help="Write the records here (- = stdout).")
    ] = None,
    device: Device = "auto",
    devices: Annotated[
        str, typer.Option(metavar="N|LIST", help="Devices of one run: how many (2), or which (0,1).")
    ] = "1",
    jobs: Annotated[
        int | None,
        typer.Option(min=1, help="Runs side by side.  [default: by cores on a CPU, else one for each GPU]"),
    ] = None,
    workers: Workers = None,
    precision: Precision = None,
    deterministic: Deterministic = False,
    limit: Annotated[int | None, typer.Option(min=1, help="Evaluate only the first N videos.")] = None,
    weights: Annotated[
        str | None,
        typer.Option(help="Checkpoint to score with --no-train; without it, the same as --start FILE."),
    ] = None,
    start: Annotated[
        str | None,
        typer.Option(
            metavar="DIR|FILE|NAME=FILE,...",
            help="Weights to train from; DIR holds METHOD@CONFIG.safetensors.",
        ),
    ] = None,
    class_rows: Annotated[
        str, typer.Option(help="A class head of a start for other classes: new, or its rows by-name.")
    ] = "new",
    train: Annotated[
        bool, typer.Option("--train/--no-train", help="Train, or score the weights as they are.")
    ] = True,
    fresh: Annotated[bool, typer.Option("--fresh", help="Compute again, in new directories.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan and stop.")] = False,
    report: Annotated[
        str | None, typer.Option(help="Folder of the report.  [default: OUT/report/DATASET-SPLIT-PROTOCOL]")
    ] = None,
    threshold: Threshold = None,
    columns: Columns = None,
    data_root: DataRoot = None,
    extra_data: Annotated[
        str | None,
        typer.Option(metavar="coco:PATH", help="COCO images to train on too, by annotation file or folder."),
    ] = None,
    image_stage: Annotated[
        bool,
        typer.Option("--image-stage/--no-image-stage", help="Start from single images, or from a backbone."),
    ] = True,
    max_tracks: Annotated[
        int | None, typer.Option(min=1, help="Most tracks a video or frame, as the method counts.  [10]")
    ] = None,
    truth: Annotated[
        str | None, typer.Option(help="Truth of the evaluated split, where it is hidden (annotation file).")
    ] = None,
    allow_overlap: Annotated[
        bool, typer.Option("--allow-overlap", help="Score videos that are trained on too; records say so.")
    ] = False,
    keep_frames: Annotated[
        bool, typer.Option("--keep-frames", help="Store the detections of every frame (for reassociate).")
    ] = False,
    project: Project = None,
    associate: Associate = None,
    prompt: Prompt = None,
    executor: ExecutorName = None,
    executor_options: ExecutorOptions = None,
    address: Address = None,
) -> None:
    """Train, track, score and tabulate methods on a dataset.

    Finished runs are reused; a killed run goes on where it stopped.

    \b
    Examples:
      vis-bench run --methods all --dataset shapes --quick
      vis-bench run --methods stc --dataset ./my_videos --split val --seeds 3
      vis-bench run --methods inspro@paper --dataset ytvis21 --weights w.safetensors --no-train
      vis-bench run --methods stc --dataset shapes --set train.lr=5e-4 --out runs/lr
      vis-bench run --methods detectron2:vis.yaml --weights w.pth --no-train -d ytvis21 --project ./MinVIS
      vis-bench run --methods hf:./mask2former --associate stc --no-train -d ovis
      vis-bench run study.toml --dry-run
      vis-bench run study.toml --executor ray --address auto
    """
    from vis_bench.engine import run as engine
    from vis_bench.engine.executors.choose import open_executor
    from vis_bench.errors import EXIT_DATA, EXIT_METHOD_FAILED, UsageError
    from vis_bench.files import require_target, require_writable
    from vis_bench.records.columns import parse_columns, parse_threshold
    from vis_bench.records.rows import installed_protocols
    from vis_bench.report.folder import write_run_report
    from vis_bench.report.terminal.comparison_table import comparison_table
    from vis_bench.report.terminal.start import start_text

    asked = asked_for(context, study, methods, dataset)
    columns, executor = columns or asked.columns, executor or asked.executor
    place = None if executor == "local" else open_executor(executor, executor_options, address, out)
    above, shown_columns = parse_threshold(threshold), parse_columns(columns)
    forecasts: list[Forecast] = []
    failed: list[engine.Outcome] = []

    class Shown(engine.Watcher):
        """Prints the plan; at the end the table, and writes the report."""

        only_shown = False

        def planned(self, sweep: Sweep) -> None:
            print_plan(sweep)
            if dry_run:
                for text in warnings(sweep):
                    say(f"vis-bench: warning: {text}")
                forecasts.append(print_forecast(sweep))
                raise _OnlyPlanned

        def starting(self, sweep: Sweep) -> None:
            self.only_shown = sweep.finished
            if not self.only_shown:
                require_writable(self.folder(sweep))
            require_target(json_)
            for text in warnings(sweep):
                say(f"vis-bench: warning: {text}")

        def finished(self, sweep: Sweep, outcomes: Sequence[engine.Outcome]) -> None:
            for outcome in outcomes:
                say(f"{'cached' if outcome.cached else outcome.record.status:<10} {outcome.run.run_dir}")
                if outcome.record.start is not None:
                    say_after("start", start_text(outcome.record.start))
                for note in outcome.record.notes:
                    if note.startswith(SAID_NOTES):
                        say(f"vis-bench: {outcome.run.label}: {note}")
            used = sweep.settings.protocol
            protocols = {**installed_protocols(), (used.name, used.content_hash()): used}
            records = [outcome.record.model_dump(mode="json") for outcome in outcomes]
            # told once, at the end
            shown = [{**record, "error": ERROR_BELOW if record["error"] else None} for record in records]
            table = comparison_table(shown, shown_columns, protocols, above)
            typer.echo(table, err=json_ == "-")
            runs = [(outcome.record, outcome.run.run_dir) for outcome in outcomes]
            try:
                path = write_run_report(
                    self.folder(sweep),
                    runs,
                    [sweep.data.evaluated],
                    protocols,
                    columns=shown_columns,
                    threshold=above,
                )
                say(f"report     {path}")
            except UsageError as error:
                # finished runs can be looked at on a disk that takes nothing; the table is there
                if not self.only_shown:
                    raise
                say(f"no report  {error} (--report names another folder)")
            made.extend(records)
            failed.extend(outcome for outcome in outcomes if outcome.record.status == "failed")

        def folder(self, sweep: Sweep) -> Path:
            return Path(report) if report else report_folder(asked.methods, sweep.settings)

    made: list[dict[str, Any]] = []
    options = {
        "split": split,
        "protocol": protocol,
        "quick": quick,
        "seeds": seeds,
        "overrides": set_ or (),
        "precision": precision,
        "limit": limit,
        "extra_data": extra_data,
        "image_stage": image_stage,
        "keep_frames": keep_frames,
        "max_tracks": max_tracks,
        **asked.options,
    }
    for data in asked.datasets:
        try:
            engine.run(
                asked.methods,
                data,
                out=out,
                device=device,
                devices=devices,
                jobs=jobs,
                workers=workers,
                deterministic=deterministic,
                weights=weights,
                start=start,
                class_rows=class_rows,  # type: ignore[arg-type]
                train=train,
                fresh=fresh,
                data_root=data_root,
                truth=truth,
                project=project,
                associate=associate,
                prompt=prompt,
                allow_overlap=allow_overlap,
                executor=place,
                study=asked.sha256,
                watcher=Shown(),
                **options,
            )
        except _OnlyPlanned:
            continue
    if dry_run:
        if study is not None:
            print_total(forecasts)
        return
    put_json(json_, made)
    for error, labels in _by_error(failed).items():
        say(f"vis-bench: {', '.join(labels)} failed: {error}")
    if failed:
        # broken data is the data's fault only where no method failed for a reason of its own
        codes = {outcome.record.error_code for outcome in failed}
        raise typer.Exit(EXIT_DATA if codes == {EXIT_DATA} else EXIT_METHOD_FAILED)


class _OnlyPlanned(Exception):
    """The plan was printed, which is all that was asked for."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a call of `run` is about: from options, or from a study file. sha256: of the file, empty without
    one."""

    methods: str
    datasets: tuple[str, ...]
    options: Mapping[str, Any]
    columns: str | None = None
    executor: str = "local"
    sha256: str = ""


def asked_for(context: typer.Context, study: str | None, methods: str | None, dataset: str | None) -> Asked:
    """Raises UsageError for what is missing, and for an option beside a study file that would make it another
    study."""
    from vis_bench.errors import UsageError

    if study is None:
        if methods is None or dataset is None:
            name = "--methods" if methods is None else "--dataset"
            raise UsageError(
                f"{name} is missing: vis-bench run --methods NAMES --dataset NAME, or a study file."
            )
        return Asked(methods, (dataset,), {})
    from vis_bench.engine.study_file import FREE, OPTION_OF, StudyFile, read_study

    found = read_study(study)
    for name in StudyFile.model_fields:
        option = OPTION_OF.get(name, name)
        source = context.get_parameter_source(option)
        if name not in FREE and source is not None and source.name == "COMMANDLINE":
            shown = "--" + option.rstrip("_").replace("_", "-")
            raise UsageError(
                f"{shown}: stands in {study}, or belongs there; the file is the study. Change the file."
            )
    if context.get_parameter_source("train") is not None and not context.params["train"]:
        raise UsageError(f"--no-train: a study trains. Score weights without {study}.")
    options = dict(found.options)
    methods = str(options.pop("methods"))
    return Asked(methods, found.datasets, options, found.columns, found.content.executor, found.sha256)


def _by_error(failed: Sequence[Outcome]) -> dict[str, list[str]]:
    """Labels of the runs that failed for each reason: an image stage fails all that start from it."""
    found: dict[str, list[str]] = {}
    for outcome in failed:
        found.setdefault(str(outcome.record.error), []).append(outcome.run.label)
    return found


def report_folder(methods: str, settings: Settings) -> Path:
    """A report of some methods or of fewer videos has its own folder: it must not replace the one of all."""
    from vis_bench.files import file_name
    from vis_bench.setup.plugins import expand_methods

    name = f"{Path(settings.dataset).name}-{settings.split}-{settings.protocol.name}"
    if settings.limit is not None:
        name += f"-first{settings.limit}"
    if methods != "all":
        name += "-" + "-".join(_file_name_of(part) for part in expand_methods(methods))
    return settings.out / "report" / file_name(name)


def _file_name_of(method: str) -> str:
    from vis_bench.setup.plugins import plugin_file, short_name

    file = plugin_file(method)
    name = short_name(method).replace(":", "_") if file is None else f"{file[0].stem}_{file[1]}"
    return name.replace("@", "_")
