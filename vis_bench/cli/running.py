"""Commands that execute methods: run, speed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vis_bench.cli.options import Changes, DataRoot, Device, optional_path


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
    set_: Changes = None,
    out: Annotated[str, typer.Option(help="Folder of the run directories.")] = "runs",
    json_: Annotated[
        str | None, typer.Option("--json", metavar="PATH", help="Write the records here (- = stdout).")
    ] = None,
    device: Device = "cpu",
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
            optional_path(weights),
            train,
            fresh,
            dry_run,
            optional_path(report),
            optional_path(data_root),
            extra_data,
            keep_frames,
        )
    )


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
    device: Device = "cpu",
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
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the processes and the time they take, and stop.")
    ] = False,
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
            weights=optional_path(weights),
            runs=optional_path(runs),
            out=Path(out),
            dry_run=dry_run,
            json=json_,
            data_root=optional_path(data_root),
        )
    )
