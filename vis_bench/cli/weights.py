"""vis-bench weights show, convert, export."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vis_bench.cli.options import Changes, DataRoot, PrintJson, say, tell

if TYPE_CHECKING:
    from vis_bench.method import MethodSpec
    from vis_bench.weights.report import WeightsReport

weights_app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Public checkpoints as starts; a run's weights."
)
NAMES_SHOWN = 12

File = Annotated[str, typer.Argument(metavar="FILE", help="safetensors, .pkl of arrays, or a torch file.")]
Method = Annotated[str, typer.Option("--method", "-m", help="NAME or NAME@CONFIG.  [default config: paper]")]
Dataset = Annotated[
    str, typer.Option("--dataset", "-d", help="Dataset, by name or path, whose classes to use.")
]
Kind = Annotated[
    str | None, typer.Option("--source", metavar="KIND", help="Kind of the file.  [default: by its names]")
]


@weights_app.command("show")
def weights_show(
    file: File,
    method: Method,
    dataset: Dataset = "ytvis21",
    source: Kind = None,
    set_: Changes = None,
    json_: PrintJson = False,
) -> None:
    """What of a file a method would start from. Exits 3 when it cannot.

    \b
    Examples:
      vis-bench weights show model_final.pkl --method masktrack_rcnn --dataset ytvis21
    """
    from vis_bench.errors import DataError
    from vis_bench.files import dump_json
    from vis_bench.weights.report import report_of

    spec, _, config = _chosen(method, set_)
    report = report_of(Path(file), spec, config, _classes(dataset), source)
    if json_:
        typer.echo(dump_json(report.as_json(), indent=1))
    else:
        tell(_text(report))
    if report.problems:
        raise DataError(f"{file}: {spec.info.name} cannot start from it: {'; '.join(report.problems)}.")


@weights_app.command("convert")
def weights_convert(
    file: File,
    method: Method,
    output: Annotated[str, typer.Option("-o", "--output", help="The safetensors file to write.")],
    dataset: Dataset = "ytvis21",
    source: Kind = None,
    set_: Changes = None,
) -> None:
    """Write a public checkpoint in a method's own names, as `run --start` takes it.

    \b
    Examples:
      vis-bench weights convert model_final.pkl --method stc -o starts/stc@paper.safetensors
    """
    from vis_bench.errors import UsageError
    from vis_bench.files import require_target
    from vis_bench.weights.report import convert_file

    if not output.endswith(".safetensors"):
        raise UsageError(f"-o {output}: the file is safetensors and has to be called so.")
    require_target(output)
    spec, name, config = _chosen(method, set_)
    report = convert_file(Path(file), Path(output), spec, name, config, _classes(dataset), source)
    tell(_text(report))
    say(f"written    {output}")


@weights_app.command("export")
def weights_export(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Directory of a run.")],
    output: Annotated[str, typer.Option("-o", "--output", help="The safetensors file to write.")],
    dataset: Annotated[
        str | None, typer.Option("--dataset", "-d", help="Where the videos are, for runs made on a path.")
    ] = None,
    data_root: DataRoot = None,
) -> None:
    """Write the weights of a run with the hash of its record, its configuration and its classes.

    \b
    Examples:
      vis-bench weights export runs/shapes-test/shapes/stc@tiny-seed-0-1a2b3c4d -o stc.safetensors
      vis-bench run --methods stc --dataset shapes --no-train --weights stc.safetensors
    """
    from vis_bench.data import catalog
    from vis_bench.errors import UsageError
    from vis_bench.files import require_target
    from vis_bench.records.run import RECORD_NAME, read_record
    from vis_bench.weights.export import export_run

    if not output.endswith(".safetensors"):
        raise UsageError(f"-o {output}: the file is safetensors and has to be called so.")
    require_target(output)
    record = read_record(Path(run) / RECORD_NAME)
    place = dataset or record.dataset
    root = None if data_root is None else Path(data_root)
    opened = catalog.open_dataset(place, record.split, root, None)
    names = tuple(category.name for category in opened.categories)
    export_run(Path(run), Path(output), names)
    say(f"written    {output} ({record.variant()}, {len(names)} classes)")


def _classes(dataset: str) -> tuple[str, ...]:
    """Class names of a data set by name or path; a name needs nothing on disk."""
    from vis_bench.data import catalog

    if dataset in catalog.known_datasets():
        return catalog.class_names(dataset)
    opened = catalog.open_dataset(dataset, catalog.default_split(dataset), None, None)
    return tuple(category.name for category in opened.categories)


def _chosen(method: str, changes: list[str] | None) -> tuple[MethodSpec, str, Any]:
    """Specification, name of the configuration and configuration of NAME[@CONFIG]."""
    from vis_bench.engine.process.environment import require_torch
    from vis_bench.setup.config import choose_config, override, parse_assignment
    from vis_bench.setup.plugins import check_shadowing, load_spec, split_variant

    check_shadowing()
    require_torch("cpu")
    name, variant = split_variant(method)
    spec = load_spec(name)
    chosen, config = choose_config(spec, variant, "paper")
    return spec, chosen, override(config, dict(parse_assignment(text) for text in changes or ()))


def _text(report: WeightsReport) -> str:
    strides = {None: "not said", True: "in the 1x1 convolutions", False: "in the 3x3 convolutions"}
    lines = [
        f"source     {report.source}" + (f"  [{report.kind}]" if report.kind else ""),
        f"loaded     {report.loaded} of {report.of} tensors",
        f"strides    {strides[report.stride_in_1x1]}",
    ]
    lines += _names("new", list(report.missing))
    by_reason: dict[str, list[str]] = {}
    for name, reason in report.unused.items():
        by_reason.setdefault(reason, []).append(name)
    for reason, names in by_reason.items():
        lines += _names("unused", names)
        lines += [f"           ({reason})"] if reason else []
    return "\n".join([*lines, *(f"note       {note}" for note in report.notes)])


def _names(word: str, names: list[str]) -> list[str]:
    if not names:
        return []
    shown = [f"{'':<10} {name}" for name in names[:NAMES_SHOWN]]
    more = [f"{'':<10} and {len(names) - NAMES_SHOWN} more"] if len(names) > NAMES_SHOWN else []
    return [f"{word:<10} {len(names)}", *shown, *more]
