"""vis-bench run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vis_bench.cli.options import (
    Associate,
    Changes,
    Columns,
    DataRoot,
    Deterministic,
    Device,
    Methods,
    Precision,
    Project,
    Prompt,
    Threshold,
    Workers,
    put_json,
    say,
)

if TYPE_CHECKING:
    from vis_bench.engine.opened_data import OpenedData
    from vis_bench.engine.run import Settings, Sweep
    from vis_bench.engine.sweep import Outcome

# file systems take names of 255 bytes
FOLDER_NAME_BYTES = 200
SAID_NOTES = ("the cap of", "classes: ", "prompted with ")
"""Beginnings of what is said of a run at once; the other notes stand in its record."""
ERROR_BELOW = "see the end"


def run(
    methods: Methods,
    dataset: Annotated[
        str, typer.Option("--dataset", "-d", help="Name or path, e.g. shapes, ytvis21, ./mine.")
    ],
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
    """
    from vis_bench.engine import run as engine
    from vis_bench.errors import EXIT_DATA, EXIT_METHOD_FAILED, UsageError
    from vis_bench.files import require_target, require_writable
    from vis_bench.records.columns import parse_columns, parse_threshold
    from vis_bench.records.rows import installed_protocols
    from vis_bench.report.folder import write_run_report
    from vis_bench.report.terminal.comparison_table import comparison_table
    from vis_bench.report.terminal.start import start_text

    above, shown_columns = parse_threshold(threshold), parse_columns(columns)

    class Shown(engine.Watcher):
        """Prints the plan; at the end the table, and writes the report."""

        failed: Sequence[engine.Outcome] = ()
        only_shown = False

        def planned(self, sweep: Sweep) -> None:
            _print_plan(sweep)
            if dry_run:
                _print_forecast(sweep)
                raise typer.Exit

        def starting(self, sweep: Sweep) -> None:
            self.only_shown = sweep.finished
            if not self.only_shown:
                require_writable(self.folder(sweep))
            require_target(json_)
            for text in _warnings(sweep):
                say(f"vis-bench: warning: {text}")

        def finished(self, sweep: Sweep, outcomes: Sequence[engine.Outcome]) -> None:
            for outcome in outcomes:
                say(f"{'cached' if outcome.cached else outcome.record.status:<10} {outcome.run.run_dir}")
                if outcome.record.start is not None:
                    _say_after("start", start_text(outcome.record.start))
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
            put_json(json_, records)
            self.failed = [outcome for outcome in outcomes if outcome.record.status == "failed"]

        def folder(self, sweep: Sweep) -> Path:
            return Path(report) if report else report_folder(methods, sweep.settings)

    shown = Shown()
    engine.run(
        methods,
        dataset,
        split=split,
        protocol=protocol,
        quick=quick,
        seeds=seeds,
        overrides=set_ or (),
        out=out,
        device=device,
        devices=devices,
        jobs=jobs,
        workers=workers,
        precision=precision,
        deterministic=deterministic,
        limit=limit,
        weights=weights,
        start=start,
        class_rows=class_rows,  # type: ignore[arg-type]
        train=train,
        fresh=fresh,
        data_root=data_root,
        extra_data=extra_data,
        image_stage=image_stage,
        keep_frames=keep_frames,
        max_tracks=max_tracks,
        truth=truth,
        project=project,
        associate=associate,
        prompt=prompt,
        allow_overlap=allow_overlap,
        watcher=shown,
    )
    for error, labels in _by_error(shown.failed).items():
        say(f"vis-bench: {', '.join(labels)} failed: {error}")
    if shown.failed:
        # broken data is the data's fault only where no method failed for a reason of its own
        codes = {outcome.record.error_code for outcome in shown.failed}
        raise typer.Exit(EXIT_DATA if codes == {EXIT_DATA} else EXIT_METHOD_FAILED)


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


def _print_plan(sweep: Sweep) -> None:
    from vis_bench.engine.start_facts import start_texts

    runs, data = sweep.runs, sweep.data
    evaluated = data.evaluated
    trained = (
        f"trained on {data.train.name} {data.train.split} ({len(data.train.videos)} videos)"
        f"{_extra_text(data)}, "
        if data.train
        else ""
    )
    say(
        f"{len(runs)} run{'s' if len(runs) > 1 else ''}, {trained}evaluated on {evaluated.name} "
        f"{evaluated.split} ({len(evaluated.videos)} videos), protocol {runs[0].settings.protocol.name}, "
        f"on {_devices_text(sweep)}"
    )
    for run in runs:
        state = "cached" if run.finished_record() is not None else "to do"
        say(f"{state:<10} {run.label}")
    for word, text in start_texts(runs):
        _say_after(word, text)


def _warnings(sweep: Sweep) -> list[str]:
    """One for each paper configuration that would train on a CPU; of the data, what spoils a result."""
    from vis_bench.data.lessons import unlearnt_text
    from vis_bench.engine.paper_forecast import cpu_warning

    firsts = {(run.method, run.config_name): run for run in reversed(sweep.runs)}
    found = [cpu_warning(run, sweep.data) for run in reversed(firsts.values())]
    train = sweep.data.train
    found += [sweep.data.overlap_note, unlearnt_text(train) if train is not None else None]
    return [text for text in found if text is not None]


def _devices_text(sweep: Sweep) -> str:
    """`the CPU`, `cuda:0`, or `2 x 4 CUDA devices`."""
    devices, slots = sweep.settings.devices, len(sweep.slots)
    if len(devices) == 1 and slots == 1:
        return "the CPU" if devices[0] == "cpu" else devices[0]
    if devices[0] == "cpu":
        return f"{len(devices)} processes of the CPU for each run"
    if len(devices) == 1:
        return f"{slots} CUDA devices, one for each run"
    return f"{slots * len(devices)} CUDA devices, {len(devices)} for each run"


def _print_forecast(sweep: Sweep) -> None:
    """Time, disk and the smallest difference that can be found, from the runs that lie in the same folder."""
    from vis_bench.engine.forecast import detectable_difference, earlier_records, expected_cost
    from vis_bench.engine.paper_forecast import paper_forecast
    from vis_bench.engine.process.progress import duration

    settings, runs, data, side_by_side = sweep.settings, sweep.runs, sweep.data, sweep.jobs
    earlier = earlier_records(settings.out)
    cost = expected_cost(runs, data, earlier, side_by_side)
    if cost.known:
        _say_after(
            "time",
            f"about {duration(cost.seconds)}, {side_by_side} side by side; "
            f"disk about {cost.disk_bytes / 1e6:.0f} MB (both from earlier runs below {settings.out})",
        )
    estimated = paper_forecast(runs, data, cost.unknown, side_by_side)
    for word, text in estimated.texts:
        _say_after(word, text)
    unknown = [label for label in cost.unknown if label not in estimated.covered]
    if unknown:
        _say_after("unknown", f"no earlier run to tell time and disk of: {', '.join(unknown)}")
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
    from vis_bench.report.terminal.verdicts import wrap_after

    for line in wrap_after(f"{word:<10} ", text):
        say(line)


def _extra_text(data: OpenedData) -> str:
    if data.extra is None or data.train is None:
        return ""
    images, share = data.extra.dataset, float(data.extra.share_beside(data.train))
    return f" and {images.name} {images.split} ({len(images.videos)} images, {share:.0%} of the clips)"
