"""The command line. Thin: every command imports what it needs when it is called, so --help is instant."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from vis_bench import __version__
from vis_bench.errors import EXIT_INTERRUPTED, VisBenchError

app = typer.Typer(
    name="vis-bench",
    help="Compare the paradigms of video instance segmentation under one protocol.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
data_app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="List, verify and describe datasets."
)
methods_app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="List and describe methods.")
app.add_typer(data_app, name="data")
app.add_typer(methods_app, name="methods")

DataRoot = Annotated[
    str | None,
    typer.Option("--data-root", help="Folder that holds the datasets.  [default: $VIS_BENCH_DATA]"),
]


def _print_version(value: bool) -> None:
    if value:
        typer.echo(f"vis-bench {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Compare the paradigms of video instance segmentation under one protocol.

    Exit codes: 0 ok, 1 gate failed, 2 usage, 3 data missing or invalid, 4 some method failed,
    5 not comparable, 6 inconclusive, 130 interrupted.
    """


@app.command()
def run(
    methods: Annotated[
        str, typer.Option("--methods", "-m", help="`all`, or names: stc,inspro@tiny,my_method.py:SPEC.")
    ],
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
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a configuration value.")
    ] = None,
    out: Annotated[str, typer.Option(help="Folder of the run directories.")] = "runs",
    json_: Annotated[
        str | None, typer.Option("--json", metavar="PATH", help="Write the records here (- = stdout).")
    ] = None,
    device: Annotated[str, typer.Option(help="cpu or cuda[:n].")] = "cpu",
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Runs side by side.  [default: cores on a CPU, else 1]")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Evaluate only the first N videos.")] = None,
    weights: Annotated[
        str | None, typer.Option(help="Checkpoint to start from (safetensors, or a torch file of tensors).")
    ] = None,
    train: Annotated[
        bool, typer.Option("--train/--no-train", help="Train, or score the weights as they are.")
    ] = True,
    fresh: Annotated[bool, typer.Option("--fresh", help="Compute again, in new directories.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan and stop.")] = False,
    report: Annotated[
        str | None, typer.Option(help="Folder of the report.  [default: OUT/report/DATASET-SPLIT-PROTOCOL]")
    ] = None,
    data_root: DataRoot = None,
    extra_data: Annotated[
        str | None,
        typer.Option(metavar="coco:PATH", help="COCO images to train on too, by annotation file or folder."),
    ] = None,
    keep_frames: Annotated[
        bool, typer.Option("--keep-frames", help="Store the detections of every frame (for reassociate).")
    ] = False,
) -> None:
    """Train, track, score and tabulate methods on a dataset.

    Finished runs are reused; a killed run goes on where it stopped.

    \b
    Examples:
      vis-bench run --methods all --dataset shapes --quick
      vis-bench run --methods stc --dataset ./my_videos --split val --seeds 3
      vis-bench run --methods inspro@paper --dataset ytvis21 --weights w.safetensors --no-train
      vis-bench run --methods stc --dataset shapes --set train.lr=5e-4 --out runs/lr
    """
    from vis_bench.commands.run import RunArguments, run_command

    run_command(
        RunArguments(
            methods,
            dataset,
            split,
            protocol,
            quick,
            seeds,
            tuple(set_ or ()),
            Path(out),
            json_,
            device,
            jobs,
            limit,
            Path(weights) if weights else None,
            train,
            fresh,
            dry_run,
            Path(report) if report else None,
            Path(data_root) if data_root else None,
            extra_data,
            keep_frames,
        )
    )


@app.command("explain")
def explain(
    predictions: Annotated[str, typer.Argument(metavar="PREDICTIONS.json[.gz]")],
    truth: Annotated[str | None, typer.Option(help="Truth file (instances JSON, gzip or not).")] = None,
    dataset: Annotated[str | None, typer.Option("--dataset", "-d", help="Dataset by name or path.")] = None,
    split: Annotated[str | None, typer.Option(help="Split of the dataset.")] = None,
    json_: Annotated[
        str | None, typer.Option("--json", metavar="PATH", help="Write everything here (- = stdout).")
    ] = None,
    events: Annotated[
        str | None, typer.Option(metavar="PATH", help="Write every single error in time here (JSON).")
    ] = None,
    iou_type: Annotated[
        str, typer.Option(help="segm: `segmentations`; bbox: `bboxes` (x, y, width, height).")
    ] = "segm",
    data_root: DataRoot = None,
) -> None:
    """Say why predictions score what they score: oracles, errors, slices, costly videos.

    \b
    Examples:
      vis-bench explain results.json --dataset ytvis21
      vis-bench explain results.json --truth instances_val.json --events events.json
    """
    from vis_bench.commands.explain import ExplainArguments, explain_command

    explain_command(
        ExplainArguments(
            Path(predictions),
            Path(truth) if truth else None,
            dataset,
            split,
            json_,
            Path(events) if events else None,
            iou_type,
            Path(data_root) if data_root else None,
        )
    )


@app.command("eval")
def eval_(
    predictions: Annotated[str, typer.Argument(metavar="PREDICTIONS.json[.gz]")],
    truth: Annotated[str | None, typer.Option(help="Truth file (instances JSON, gzip or not).")] = None,
    dataset: Annotated[str | None, typer.Option("--dataset", "-d", help="Dataset by name or path.")] = None,
    split: Annotated[str | None, typer.Option(help="Split of the dataset.")] = None,
    json_: Annotated[
        str | None, typer.Option("--json", metavar="PATH", help="Write the metrics here (- = stdout).")
    ] = None,
    metrics: Annotated[
        str | None, typer.Option(help="Some of ap,frame_ap,mot,hota,errors.  [default: all]")
    ] = None,
    iou_type: Annotated[
        str, typer.Option(help="segm: `segmentations`; bbox: `bboxes` (x, y, width, height).")
    ] = "segm",
    ignore_unknown_categories: Annotated[
        bool, typer.Option("--ignore-unknown-categories", help="Drop predictions of unknown categories.")
    ] = False,
    jobs: Annotated[int, typer.Option(min=1, help="Processes that share the videos.")] = 1,
    data_root: DataRoot = None,
) -> None:
    """Score predictions in the YouTube-VIS results format. Needs no torch and no GPU.

    \b
    Examples:
      vis-bench eval results.json --dataset ytvis21
      vis-bench eval results.json.gz --truth instances_val.json --json metrics.json
      vis-bench eval boxes.json --dataset ytvis21 --iou-type bbox
    """
    from vis_bench.commands.eval import EvalArguments, eval_command

    eval_command(
        EvalArguments(
            Path(predictions),
            Path(truth) if truth else None,
            dataset,
            split,
            json_,
            metrics,
            iou_type,
            ignore_unknown_categories,
            jobs,
            Path(data_root) if data_root else None,
        )
    )


@app.command("reassociate")
def reassociate(
    frames: Annotated[
        str,
        typer.Argument(metavar="FRAMES", help="frames.jsonl.gz of a run with --keep-frames, or its folder."),
    ],
    method: Annotated[
        str, typer.Option("--method", "-m", help="Whose association rule: NAME[@VARIANT],... or `all`.")
    ],
    dataset: Annotated[str, typer.Option("--dataset", "-d", help="Dataset that the run was evaluated on.")],
    split: Annotated[str | None, typer.Option(help="Split of the dataset.")] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a configuration value.")
    ] = None,
    json_: Annotated[
        str | None,
        typer.Option("--json", metavar="PATH", help="Write the metrics by rule here (- = stdout)."),
    ] = None,
    predictions: Annotated[
        str | None, typer.Option(metavar="PATH", help="Write the tracks here (one rule), results format.")
    ] = None,
    data_root: DataRoot = None,
) -> None:
    """Track the stored detections of one run under the association rule of another method.

    Needs no torch and no GPU.

    \b
    Examples:
      vis-bench run --methods stc --dataset shapes --keep-frames
      vis-bench reassociate runs/shapes-test/shapes/stc@tiny-seed-0-... -m all -d shapes
      vis-bench reassociate frames.jsonl.gz -m stc -d shapes --set association.iou_weight=0
    """
    from vis_bench.commands.reassociate import ReassociateArguments, reassociate_command

    reassociate_command(
        ReassociateArguments(
            Path(frames),
            method,
            dataset,
            split,
            tuple(set_ or ()),
            json_,
            Path(predictions) if predictions else None,
            Path(data_root) if data_root else None,
        )
    )


@app.command("gate")
def gate(
    run_dirs: Annotated[
        list[str] | None, typer.Argument(metavar="[RUN_DIR]...", help="Finished runs, with --make.")
    ] = None,
    against: Annotated[
        str | None, typer.Option(metavar="BASELINE", help="Baseline to check against.")
    ] = None,
    make: Annotated[
        str | None, typer.Option(metavar="BASELINE", help="Make or renew this baseline from RUN_DIRs.")
    ] = None,
    runs: Annotated[
        str | None, typer.Option(metavar="FOLDER", help="New runs to compare with the baseline's (tier 3).")
    ] = None,
    margin: Annotated[
        list[str] | None,
        typer.Option(metavar="METRIC=POINTS", help="Loss that tier 3 accepts.  [default: the baseline's]"),
    ] = None,
    dataset: Annotated[
        str | None, typer.Option("--dataset", "-d", help="Where the videos are, for runs made on a path.")
    ] = None,
    junit: Annotated[str | None, typer.Option(metavar="FILE", help="Write JUnit XML here.")] = None,
    markdown: Annotated[str | None, typer.Option(metavar="FILE", help="Write a comment here.")] = None,
    data_root: DataRoot = None,
) -> None:
    """Check today's code against a stored baseline. Exits 0 pass, 1 fail, 6 inconclusive.

    Tier 1 scores stored predictions again, tier 2 associates stored detections again: any change fails. Tier
    3 (--runs) compares newly trained runs with the baseline's, by seed and video.

    \b
    Examples:
      vis-bench gate --against baseline --junit gate.xml
      vis-bench gate --against baseline --runs runs --margin AP=0.5 --margin IDF1=1
      vis-bench gate --make baseline runs/shapes-test/shapes/stc@tiny-seed-*
    """
    from vis_bench.commands.gate import GateArguments, gate_command

    gate_command(
        GateArguments(
            tuple(Path(place) for place in run_dirs or ()),
            Path(against) if against else None,
            Path(make) if make else None,
            Path(runs) if runs else None,
            tuple(margin or ()),
            dataset,
            Path(junit) if junit else None,
            Path(markdown) if markdown else None,
            Path(data_root) if data_root else None,
        )
    )


@app.command()
def report(
    places: Annotated[list[str], typer.Argument(metavar="RUNS...", help="Run directories or record files.")],
    out: Annotated[str, typer.Option(help="Folder to write.")] = "reports/latest",
    pictures: Annotated[
        bool, typer.Option("--pictures/--no-pictures", help="Draw frames (needs the dataset).")
    ] = True,
    dataset: Annotated[
        str | None, typer.Option("--dataset", "-d", help="Where the videos are, for runs made on a path.")
    ] = None,
    data_root: DataRoot = None,
) -> None:
    """Make a table and a report folder from records.

    \b
    Example:
      vis-bench report runs/shapes-test --out reports/shapes
    """
    from vis_bench.commands.report import report_command

    report_command(
        [Path(place) for place in places],
        Path(out),
        pictures,
        dataset,
        Path(data_root) if data_root else None,
    )


@app.command()
def reproduce(
    target: Annotated[
        str | None, typer.Argument(metavar="PAPER[:TABLE]", help="e.g. inspro:1, stc:4, ifr:figure4.")
    ] = None,
    records: Annotated[
        str | None, typer.Option(help="Folder of records to compare with.  [default: runs]")
    ] = None,
    on: Annotated[
        str | None, typer.Option(metavar="DATASET", help="Take measured numbers from this data set only.")
    ] = None,
    conflicts: Annotated[
        bool, typer.Option("--conflicts", help="List the contradictions between and inside the papers.")
    ] = False,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")] = False,
    format_: Annotated[str, typer.Option("--format", help="text, markdown or latex (booktabs).")] = "text",
    threshold: Annotated[
        str, typer.Option(help="Score from which tracks count in tracking metrics: 0.0, 0.1, 0.3, 0.5.")
    ] = "0.3",
) -> None:
    """Print the papers' tables beside what was measured, and say of every row whether it is reproduced.

    \b
    Examples:
      vis-bench reproduce
      vis-bench reproduce inspro:1 --records results
      vis-bench reproduce ifr:3 --on shapes
      vis-bench reproduce --conflicts
    """
    from vis_bench.commands.reproduce import ReproduceArguments, reproduce_command

    reproduce_command(
        ReproduceArguments(
            target, Path(records) if records else None, on, conflicts, json_, format_, threshold
        )
    )


@app.command()
def compare(
    names: Annotated[
        list[str],
        typer.Argument(metavar="A B [C...]", help="Methods as tables name them, or run directories."),
    ],
    metric: Annotated[
        str, typer.Option(help="AP, AP50, AR10, fAP, IDF1, MOTA, HOTA, ... as in tables.")
    ] = "AP",
    records: Annotated[
        list[str] | None, typer.Option(help="Folder of the runs; may be given again.  [default: runs]")
    ] = None,
    dataset: Annotated[
        str | None, typer.Option("--dataset", "-d", help="Which dataset, or where the videos of a path are.")
    ] = None,
    split: Annotated[str | None, typer.Option(help="Which split.")] = None,
    protocol: Annotated[str | None, typer.Option(help="Which protocol.")] = None,
    margin: Annotated[float, typer.Option(help="Points within which methods count as equivalent.")] = 0.5,
    all_pairs: Annotated[
        bool, typer.Option("--all-pairs", help="Every pair instead of A with each other one.")
    ] = False,
    json_: Annotated[
        str | None, typer.Option("--json", metavar="PATH", help="Write the numbers here (- = stdout).")
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Processes that share the videos.")] = 1,
    data_root: DataRoot = None,
) -> None:
    """Say which method is better, by how much, and whether other seeds and videos would agree.

    Scores the predictions of the runs again under resampled videos. Needs no torch.

    \b
    Examples:
      vis-bench compare stc inspro
      vis-bench compare inspro inspro@A inspro@B --metric AP50
      vis-bench compare runs-old/stc runs-new/stc --margin 1
    """
    from vis_bench.commands.compare import CompareArguments, compare_command

    compare_command(
        CompareArguments(
            tuple(names),
            metric,
            tuple(Path(place) for place in records or ["runs"]),
            dataset,
            split,
            protocol,
            margin,
            all_pairs,
            json_,
            jobs,
            Path(data_root) if data_root else None,
        )
    )


@app.command()
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
    device: Annotated[str, typer.Option(help="cpu or cuda[:n].")] = "cpu",
    precision: Annotated[str, typer.Option(help="fp32, tf32 or bf16 (autocast).")] = "fp32",
    compile_: Annotated[bool, typer.Option("--compile", help="torch.compile the backbone.")] = False,
    threads: Annotated[
        int | None, typer.Option(min=1, help="CPU threads.  [default: the dataset's protocol]")
    ] = None,
    repeats: Annotated[int, typer.Option(min=1, help="Processes per method, interleaved.")] = 3,
    frames: Annotated[
        int | None, typer.Option(min=1, help="Frames per repeat.  [default: 500, with --short 20]")
    ] = None,
    short: Annotated[bool, typer.Option("--short", help="Fewer than 500 frames; marked as such.")] = False,
    weights: Annotated[str | None, typer.Option(help="Checkpoint for every method.")] = None,
    runs: Annotated[
        str | None, typer.Option(help="Folder of runs whose weights are taken.  [default: random weights]")
    ] = None,
    out: Annotated[str, typer.Option(help="Folder of the records.")] = "runs/speed",
    json_: Annotated[
        str | None, typer.Option("--json", metavar="PATH", help="Write the records here (- = stdout).")
    ] = None,
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
    from vis_bench.commands.speed import SpeedArguments, speed_command

    speed_command(
        SpeedArguments(
            methods=methods,
            dataset=dataset,
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
            weights=Path(weights) if weights else None,
            runs=Path(runs) if runs else None,
            out=Path(out),
            json=json_,
            data_root=Path(data_root) if data_root else None,
        )
    )


@data_app.command("ls")
def data_ls(data_root: DataRoot = None) -> None:
    """List the known datasets and where they were found."""
    from vis_bench.commands.data import list_command

    list_command(Path(data_root) if data_root else None)


@data_app.command("verify")
def data_verify(
    dataset: Annotated[str, typer.Argument(help="Name or path.")],
    split: Annotated[str | None, typer.Option(help="Split.  [default: by dataset]")] = None,
    frames: Annotated[bool, typer.Option("--frames/--no-frames", help="Decode every frame.")] = True,
    data_root: DataRoot = None,
) -> None:
    """Check a dataset: format, masks, boxes, frames. Exits 3 when something is wrong."""
    from vis_bench.commands.data import verify_command

    verify_command(dataset, split, frames, Path(data_root) if data_root else None)


@data_app.command("stats")
def data_stats(
    dataset: Annotated[str, typer.Argument(help="Name or path.")],
    split: Annotated[str | None, typer.Option(help="Split.  [default: by dataset]")] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    data_root: DataRoot = None,
) -> None:
    """Videos, frames, tracks, masks and their distribution."""
    from vis_bench.commands.data import stats_command

    stats_command(dataset, split, json_, Path(data_root) if data_root else None)


@methods_app.command("ls")
def methods_ls(
    all_: Annotated[bool, typer.Option("--all", help="List every configuration.")] = False,
) -> None:
    """List the installed methods."""
    from vis_bench.commands.methods import list_command

    list_command(all_)


@methods_app.command("show")
def methods_show(
    name: Annotated[str, typer.Argument(help="Method, NAME@CONFIG, or path/to/file.py:NAME.")],
    config: Annotated[str | None, typer.Option(help="Configuration.  [default: paper]")] = None,
    dataset: Annotated[
        str, typer.Option(help="Dataset whose class list to use; needs nothing on disk.")
    ] = "ytvis21",
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a configuration value.")
    ] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")] = False,
) -> None:
    """Paper, parameters and every choice of a method, with its source."""
    from vis_bench.commands.methods import show_command

    show_command(name, config, dataset, tuple(set_ or ()), json_)


@methods_app.command("check")
def methods_check(
    name: Annotated[str, typer.Argument(help="Method, NAME@CONFIG, or path/to/file.py:NAME.")],
    config: Annotated[str | None, typer.Option(help="Configuration.  [default: tiny]")] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")] = False,
) -> None:
    """Check that a method keeps what every method promises. Exits 4 when it does not.

    Trains a few steps on drawn pictures: no dataset is needed, and a tiny configuration takes seconds.

    \b
    Examples:
      vis-bench methods check stc
      vis-bench methods check my_method.py:MyMethod
    """
    from vis_bench.commands.check import check_command

    check_command(name, config, json_)


def main() -> None:
    """Entry point of `vis-bench`: turns every expected error into one line and its exit code."""
    try:
        app()
    except VisBenchError as error:
        typer.echo(f"vis-bench: {error}", err=True)
        sys.exit(error.exit_code)
    except SystemExit as end:
        if end.code == EXIT_INTERRUPTED:
            typer.echo("vis-bench: interrupted; the same command goes on from here.", err=True)
        raise


if __name__ == "__main__":
    main()
