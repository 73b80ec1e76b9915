"""The report folder of a run: tables as Markdown and CSV, one picture per method."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vis_bench.data.predictions import read_results
from vis_bench.method import Choice
from vis_bench.plugins import load_spec, method_names
from vis_bench.records import PREDICTIONS_NAME, Record
from vis_bench.report.markdown import write_report
from vis_bench.report.pictures import method_picture
from vis_bench.report.rows import Protocols
from vis_bench.types import Dataset


def write_run_report(
    folder: Path,
    runs: Sequence[tuple[Record, Path]],
    dataset: Dataset | None,
    protocols: Protocols | None = None,
) -> Path:
    """Write report.md, table.csv and pictures; returns the path of report.md.

    runs: records with their directories. dataset: the evaluated one with frames, None for no pictures. The
    picture of a method shows its first seed; records of another dataset or split get none. protocols: by
    (name, content hash), None for the installed ones.
    """
    pictures: dict[str, Path] = {}
    for record, directory in runs:
        variant = record.variant()
        predictions = directory / PREDICTIONS_NAME
        if dataset is None or variant in pictures or not predictions.exists():
            continue
        if record.data.annotation_hash != dataset.annotation_hash or record.split != dataset.split:
            continue
        if dataset.tracks is None or dataset.image_root is None:
            continue
        path = folder / f"{variant.replace('@', '-')}.png"
        tracks = read_results(predictions, dataset)
        method_picture(
            path,
            dataset,
            tracks,
            f"{record.title}, {dataset.name} {dataset.split}, seed {record.seed}",
            iou_type=record.iou_type,
        )
        pictures[variant] = path
    return write_report(
        folder,
        [record.model_dump(mode="json") for record, _ in runs],
        pictures,
        protocols=protocols,
        choices=_choices([record for record, _ in runs]),
    )


def _choices(records: Sequence[Record]) -> dict[str, Sequence[Choice]]:
    """The open points of the installed methods among the records; a method given by file has no entry."""
    names = {record.method for record in records} & set(method_names())
    return {name: load_spec(name).choices for name in sorted(names)}
