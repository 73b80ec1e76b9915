"""vis-bench data ls, verify, stats."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from vis_bench.cli.options import DataRoot, SplitByDataset, optional_path

data_app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="List, verify and describe datasets."
)


@data_app.command("ls")
def data_ls(data_root: DataRoot = None) -> None:
    """List the known datasets and where they were found."""
    from vis_bench.data import catalog

    for name, status, where in catalog.describe_datasets(optional_path(data_root)):
        typer.echo(f"{name:<18} {status:<12} {where}")


@data_app.command("verify")
def data_verify(
    dataset: Annotated[str, typer.Argument(help="Name or path.")],
    split: SplitByDataset = None,
    frames: Annotated[bool, typer.Option("--frames/--no-frames", help="Decode every frame.")] = True,
    data_root: DataRoot = None,
) -> None:
    """Check a dataset: format, masks, boxes, frames. Exits 3 when something is wrong."""
    from vis_bench.data import catalog
    from vis_bench.data.validate import verify
    from vis_bench.errors import EXIT_DATA

    place = optional_path(data_root)
    opened = catalog.open_dataset(dataset, split or catalog.default_split(dataset), place)
    problems = verify(opened, check_frames=frames)
    for problem in problems:
        typer.echo(problem)
    masks = sum(s is not None for track in opened.tracks or () for s in track.segmentations)
    frames_in_all = sum(video.length for video in opened.videos)
    typer.echo(
        f"{opened.name} {opened.split}: {len(opened.videos)} videos, {frames_in_all} frames, "
        f"{len(opened.tracks or ())} tracks, {masks} masks, {len(problems)} problems"
    )
    if problems:
        raise typer.Exit(EXIT_DATA)


@data_app.command("stats")
def data_stats(
    dataset: Annotated[str, typer.Argument(help="Name or path.")],
    split: SplitByDataset = None,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    data_root: DataRoot = None,
) -> None:
    """Videos, frames, tracks, masks and their distribution."""
    from vis_bench.data import catalog
    from vis_bench.data.stats import dataset_stats
    from vis_bench.files import dump_json

    place = optional_path(data_root)
    stats = dataset_stats(catalog.open_dataset(dataset, split or catalog.default_split(dataset), place))
    typer.echo(dump_json(stats, indent=1) if json_ else "\n".join(_lines(stats)))


def _lines(value: dict[str, Any], indent: str = "") -> list[str]:
    lines = []
    for key, item in value.items():
        if isinstance(item, dict):
            lines += [f"{indent}{key}", *_lines(item, indent + "  ")]
        else:
            shown = f"{item:.3g}" if isinstance(item, float) else item
            lines.append(f"{indent}{key:<{max(1, 30 - len(indent))}} {shown}")
    return lines
