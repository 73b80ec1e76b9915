"""vis-bench data ls, verify, stats."""

from __future__ import annotations

from typing import Annotated

import typer

from vis_bench.cli.options import DataRoot, SplitByDataset, optional_path

data_app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="List, verify and describe datasets."
)


@data_app.command("ls")
def data_ls(data_root: DataRoot = None) -> None:
    """List the known datasets and where they were found."""
    from vis_bench.commands.data import list_command

    list_command(optional_path(data_root))


@data_app.command("verify")
def data_verify(
    dataset: Annotated[str, typer.Argument(help="Name or path.")],
    split: SplitByDataset = None,
    frames: Annotated[bool, typer.Option("--frames/--no-frames", help="Decode every frame.")] = True,
    data_root: DataRoot = None,
) -> None:
    """Check a dataset: format, masks, boxes, frames. Exits 3 when something is wrong."""
    from vis_bench.commands.data import verify_command

    verify_command(dataset, split, frames, optional_path(data_root))


@data_app.command("stats")
def data_stats(
    dataset: Annotated[str, typer.Argument(help="Name or path.")],
    split: SplitByDataset = None,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    data_root: DataRoot = None,
) -> None:
    """Videos, frames, tracks, masks and their distribution."""
    from vis_bench.commands.data import stats_command

    stats_command(dataset, split, json_, optional_path(data_root))
