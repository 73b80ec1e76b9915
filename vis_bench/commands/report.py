"""`vis-bench report`."""

from __future__ import annotations

from pathlib import Path

import typer

from vis_bench.data import catalog
from vis_bench.errors import DataError, VisBenchError
from vis_bench.records.run import Record, find_records, read_record
from vis_bench.report.folder import write_run_report
from vis_bench.report.speed.folder import (
    curves_text,
    read_speed_records,
    speed_text,
    write_curves,
    write_speed_folder,
)
from vis_bench.report.terminal.comparison_table import comparison_table
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
    datasets = _datasets([record for record, _ in runs], dataset_path, data_root) if pictures else []
    typer.echo(f"report     {write_run_report(out, runs, datasets, thorough=True, timed=timed)}", err=True)


def _datasets(records: list[Record], dataset_path: str | None, data_root: Path | None) -> list[Dataset]:
    """The evaluated datasets, each once, in the order of the records; one that cannot be opened is named.

    Raises the error of opening where the user named the dataset.
    """
    if dataset_path is not None:
        return [catalog.open_dataset(dataset_path, records[0].split, data_root)]
    found = []
    for name, split in dict.fromkeys((record.dataset, record.split) for record in records):
        try:
            found.append(catalog.open_dataset(name, split, data_root))
        except VisBenchError as error:
            typer.echo(f"vis-bench: no pictures, and no plots that need the truth: {error}", err=True)
    return found
