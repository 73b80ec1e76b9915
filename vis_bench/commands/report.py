"""`vis-bench report`."""

from __future__ import annotations

from pathlib import Path

import typer

from vis_bench.data import catalog
from vis_bench.errors import DataError, VisBenchError
from vis_bench.records import find_records, read_record
from vis_bench.report.folder import write_run_report
from vis_bench.report.speed_folder import (
    curves_text,
    read_speed_records,
    speed_text,
    write_curves,
    write_speed_folder,
)
from vis_bench.report.table import comparison_table
from vis_bench.types import Dataset


def report_command(
    places: list[Path], out: Path, pictures: bool, dataset_path: str | None, data_root: Path | None
) -> None:
    """Print the table of all records found and write the report folder; records of speed are shown as well.

    dataset_path: where the videos lie when the runs were made on a path; a name is found by itself.
    """
    paths = find_records(places)
    timed, curves = read_speed_records([place for place in places if place.is_dir()])
    if timed:
        typer.echo(speed_text(timed))
        typer.echo(f"report     {write_speed_folder(out, timed)}", err=True)
    if curves:
        typer.echo(curves_text(curves))
        for picture in write_curves(out, curves):
            typer.echo(f"picture    {picture}", err=True)
    if not paths and not timed and not curves:
        raise DataError(f"no record.json and no record of speed under {', '.join(map(str, places))}.")
    if not paths:
        return
    runs = [(read_record(path), path.parent) for path in paths]
    typer.echo(comparison_table([record.model_dump(mode="json") for record, _ in runs]))
    dataset: Dataset | None = None
    if pictures:
        first = runs[0][0]
        try:
            dataset = catalog.open_dataset(dataset_path or first.dataset, first.split, data_root)
        except VisBenchError as error:
            if dataset_path is not None:
                raise
            typer.echo(f"vis-bench: no pictures, and no plots that need the truth: {error}", err=True)
    typer.echo(f"report     {write_run_report(out, runs, dataset, thorough=True, timed=timed)}", err=True)
