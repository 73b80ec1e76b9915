"""The report folder of a run: tables as Markdown, HTML, LaTeX and CSV, plots, one picture per method."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from vis_bench.data.predictions import read_results
from vis_bench.method import Choice
from vis_bench.plugins import load_spec, method_names
from vis_bench.records import PREDICTIONS_NAME, Record
from vis_bench.report.content import report_page
from vis_bench.report.embeddings import block_embeddings
from vis_bench.report.html_page import write_html
from vis_bench.report.latex import write_latex
from vis_bench.report.markdown import write_markdown
from vis_bench.report.measured_rates import measured_rates
from vis_bench.report.pictures import method_picture
from vis_bench.report.plot_values import block_values
from vis_bench.report.plots import write_plots
from vis_bench.report.rows import Block, Protocols
from vis_bench.report.viewed_runs import viewed_runs
from vis_bench.report.viewer import Viewer, build_viewer
from vis_bench.speed_records import SpeedRecord
from vis_bench.types import Dataset

SHORT_VIDEOS = 1000
"""At the end of a run predictions are scored again for plots up to this many videos x methods (seconds)."""


def write_run_report(
    folder: Path,
    runs: Sequence[tuple[Record, Path]],
    dataset: Dataset | None,
    protocols: Protocols | None = None,
    thorough: bool = False,
    timed: Sequence[SpeedRecord] = (),
) -> Path:
    """Write report.html, report.md, table.csv, table.tex, plots and pictures; returns the path of the first.

    runs: records with their directories. dataset: the evaluated one with frames, None for no pictures and
    no plots that need the truth. The picture of a method shows its first seed; records of another dataset or
    split get none. protocols: by (name, content hash), None for the installed ones. thorough: plots from
    predictions use every seed, however long it takes; otherwise the first one, and none of large data sets.
    timed: records of speed, for AP against frames per second.
    """
    dumped = [record.model_dump(mode="json") for record, _ in runs]
    folders = {id(record): directory for record, (_, directory) in zip(dumped, runs, strict=True)}
    page = report_page(dumped, protocols=protocols, choices=_choices([record for record, _ in runs]))
    plots = []
    for number, part in enumerate(page.blocks, start=1):
        why_not = _why_not(part.block, dataset, thorough)
        rates = measured_rates(part.block, timed)
        if why_not or dataset is None:
            plots.append(write_plots(folder, number, part.block, None, why_not, rates=rates))
            continue
        values = block_values(part.block, folders, dataset, all_seeds=thorough)
        embeddings = block_embeddings(part.block, folders, dataset)
        plots.append(write_plots(folder, number, part.block, values, embeddings=embeddings, rates=rates))
    pictures = _draw_pictures(folder, runs, dataset)
    write_markdown(folder, page, pictures, plots)
    write_latex(folder, page)
    viewer, no_viewer = _viewer([part.block for part in page.blocks], folders, dataset, thorough)
    return write_html(folder, page, pictures, plots, viewer, no_viewer)


def _why_not(block: Block, dataset: Dataset | None, thorough: bool) -> str:
    """Why nothing can be made of a block from predictions and truth; empty where it can."""
    if dataset is None:
        return "they need the dataset, which was not opened."
    data = block.rows[0].records[0]["data"]
    if (data["annotation_hash"], block.split) != (dataset.annotation_hash, dataset.split):
        return f"the dataset at hand is {dataset.name} {dataset.split}, or has other annotations."
    if dataset.tracks is None:
        return "the truth of this split is not public."
    if data["videos"] != len(dataset.videos):
        return f"{data['videos']} of {len(dataset.videos)} videos were scored."
    if not thorough and len(block.rows) * block.videos > SHORT_VIDEOS:
        return "left out at the end of a run, for time; vis-bench report draws them."
    return ""


def _viewer(
    blocks: Sequence[Block], folders: Mapping[int, Path], dataset: Dataset | None, thorough: bool
) -> tuple[Viewer | None, str]:
    """The viewer of all runs on the dataset at hand, or None and the reason."""
    reasons = [_why_not(block, dataset, thorough) for block in blocks]
    shown = [block for block, reason in zip(blocks, reasons, strict=True) if not reason]
    if dataset is None or not shown:
        return None, next((reason for reason in reasons if reason), "")
    if dataset.image_root is None:
        return None, "the frames of the dataset were not found."
    runs = viewed_runs(shown, folders, all_seeds=thorough)
    if not runs:
        return None, "no predictions are stored."
    return build_viewer(dataset, runs), ""


def _draw_pictures(
    folder: Path, runs: Sequence[tuple[Record, Path]], dataset: Dataset | None
) -> dict[str, Path]:
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
    return pictures


def _choices(records: Sequence[Record]) -> dict[str, Sequence[Choice]]:
    """The open points of the installed methods among the records; a method given by file has no entry."""
    names = {record.method for record in records} & set(method_names())
    return {name: load_spec(name).choices for name in sorted(names)}
