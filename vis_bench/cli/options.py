"""Arguments and options that several commands share, so that they read the same in every --help."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from vis_bench.data.bar import QUIET_VARIABLE

Changes = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change a configuration value, where a method has it."),
]
Columns = Annotated[
    str | None,
    typer.Option(metavar="NAMES", help="Columns of the tables: AP,AP50,HOTA,...  [default: the usual ones]"),
]
DataRoot = Annotated[
    str | None,
    typer.Option("--data-root", help="Folder that holds the datasets.  [default: $VIS_BENCH_DATA]"),
]
Dataset = Annotated[str | None, typer.Option("--dataset", "-d", help="Dataset by name or path.")]
Deterministic = Annotated[
    bool, typer.Option("--deterministic", help="Deterministic operations on GPUs where they exist.")
]
Device = Annotated[str, typer.Option(help="auto (CUDA where there is one), cpu or cuda[:n].")]
Format = Annotated[
    str | None, typer.Option("--format", help="Format of the predictions.  [default: recognised]")
]
IouType = Annotated[str, typer.Option(help="segm: `segmentations`; bbox: `bboxes` (x, y, width, height).")]
Jobs = Annotated[int, typer.Option(min=1, help="Processes that share the videos.")]
JsonFile = Annotated[
    str | None, typer.Option("--json", metavar="PATH", help="Write the result here (- = stdout).")
]
Methods = Annotated[
    str, typer.Option("--methods", "-m", help="Names, or `all`: all,inspro@A or stc,my_method.py:SPEC.")
]
MethodName = Annotated[str, typer.Argument(help="Method, NAME@CONFIG, or path/to/file.py:NAME.")]
Project = Annotated[
    str | None,
    typer.Option(metavar="MODULE|PATH[:FUNCTION,...]", help="Project of a method `detectron2:CONFIG.yaml`."),
]
ExecutorName = Annotated[
    str | None,
    typer.Option("--executor", metavar="local|ray|slurm", help="Where it is computed.  [default: local]"),
]
ExecutorOptions = Annotated[
    str | None,
    typer.Option("--executor-options", metavar="FILE.toml", help="Tables [ray] and [slurm] (docs/scale.md)."),
]
Address = Annotated[str | None, typer.Option(metavar="HOST:PORT|auto", help="Ray cluster to join.")]
Associate = Annotated[
    str | None,
    typer.Option(metavar="RULE,...", help="Association rules for foreign models of single images."),
]
Prompt = Annotated[
    str | None,
    typer.Option(metavar="truth|hf:PATH", help="What shows a prompted foreign model its objects."),
]
PlaceOfVideos = Annotated[
    str | None, typer.Option("--dataset", "-d", help="Where the videos are, for runs made on a path.")
]
Precision = Annotated[
    str | None, typer.Option(help="fp32, tf32, bf16 or fp16.  [default: fp32, or the paper's on a GPU]")
]
PredictionsFile = Annotated[
    str,
    typer.Argument(
        metavar="PREDICTIONS", help="Results JSON, gzip or zip, or any format of docs/formats.md."
    ),
]
PrintJson = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]
Split = Annotated[str | None, typer.Option(help="Split of the dataset.")]
SplitByDataset = Annotated[str | None, typer.Option(help="Split.  [default: by dataset]")]
Threshold = Annotated[
    str | None,
    typer.Option(
        help="Score of tracks in IDF1, MOTA, IDs, HOTA: 0, 0.1, 0.3, 0.5.  [default: operating points]"
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(min=0, help="Processes that read the data of each training.  [default: 0 on a CPU]"),
]
TruthFile = Annotated[str | None, typer.Option(help="Truth: a file or folder of any format.")]


def optional_path(text: str | None) -> Path | None:
    """The path that an option names; None where the option was not given (or is empty)."""
    return Path(text) if text else None


def put_json(target: str | None, value: Any) -> bool:
    """Write what `--json` asks for; true where it went to standard output, which then holds nothing else."""
    from vis_bench.files import dump_json, write_json

    if target == "-":
        sys.stdout.write(dump_json(value, indent=1) + "\n")
        return True
    if target is not None:
        write_json(Path(target), value)
    return False


def say(text: str) -> None:
    """Progress and paths go to standard error; standard output holds the result.

    With -q only warnings are left, which begin with the name of the program.
    """
    if os.environ.get(QUIET_VARIABLE) == "1" and not text.startswith("vis-bench:"):
        return
    complain(text)


def complain(text: str) -> None:
    """A message for people on standard error, within 80 columns."""
    from vis_bench.report.tables.text import message_text

    typer.echo(message_text(text), err=True)


def tell(text: str) -> None:
    """A result in words on standard output, within 80 columns."""
    from vis_bench.report.tables.text import message_text

    typer.echo(message_text(text))
