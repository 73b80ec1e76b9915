"""`vis-bench data ls|verify|stats`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from vis_bench.data import catalog
from vis_bench.data.stats import dataset_stats
from vis_bench.data.validate import verify
from vis_bench.errors import EXIT_DATA
from vis_bench.files import dump_json


def list_command(data_root: Path | None) -> None:
    """Print name, state and place of every known dataset."""
    for name, status, where in catalog.describe_datasets(data_root):
        typer.echo(f"{name:<18} {status:<12} {where}")


def verify_command(dataset: str, split: str | None, frames: bool, data_root: Path | None) -> None:
    """Print every problem found; exit 3 when there is one."""
    opened = catalog.open_dataset(dataset, split or catalog.default_split(dataset), data_root)
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


def stats_command(dataset: str, split: str | None, as_json: bool, data_root: Path | None) -> None:
    """Print the statistics of a dataset."""
    opened = catalog.open_dataset(dataset, split or catalog.default_split(dataset), data_root)
    stats = dataset_stats(opened)
    typer.echo(dump_json(stats, indent=1) if as_json else "\n".join(_lines(stats)))


def _lines(value: dict[str, Any], indent: str = "") -> list[str]:
    lines = []
    for key, item in value.items():
        if isinstance(item, dict):
            lines += [f"{indent}{key}", *_lines(item, indent + "  ")]
        else:
            shown = f"{item:.3g}" if isinstance(item, float) else item
            lines.append(f"{indent}{key:<{max(1, 30 - len(indent))}} {shown}")
    return lines
