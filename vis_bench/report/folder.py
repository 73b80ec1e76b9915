"""The report folder of a run: tables as Markdown, HTML, LaTeX and CSV, plots, and videos side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from vis_bench.data.bar import bar
from vis_bench.data.predictions import read_results
from vis_bench.files import file_name
from vis_bench.method import Choice
from vis_bench.records.columns import DEFAULT_COLUMNS
from vis_bench.records.rows import Block, Protocols
from vis_bench.records.run import Record
from vis_bench.records.speed import SpeedRecord
from vis_bench.report.formats.html_page import write_html
from vis_bench.report.formats.latex import write_latex
from vis_bench.report.formats.markdown import write_markdown
from vis_bench.report.plots.all_plots import write_plots
from vis_bench.report.plots.embeddings import block_embeddings
from vis_bench.report.plots.values import block_values
from vis_bench.report.speed.rates import measured_rates, with_rates
from vis_bench.report.tables.page import report_page
from vis_bench.report.tables.text import one_line
from vis_bench.report.videos.choice import choose_videos
from vis_bench.report.videos.side_by_side import MOST_ROWS, Shown, write_side_by_side
from vis_bench.report.videos.viewed_runs import viewed_runs
from vis_bench.report.videos.viewer import Viewer, build_viewer
from vis_bench.setup.plugins import load_spec, method_names
from vis_bench.types import Dataset

SHORT_VIDEOS = 1000
"""At the end of a run predictions are scored again for plots up to this many videos x methods (seconds)."""


def write_run_report(
    folder: Path,
    runs: Sequence[tuple[Record, Path]],
    datasets: Sequence[Dataset],
    protocols: Protocols | None = None,
    thorough: bool = False,
    timed: Sequence[SpeedRecord] = (),
    columns: Sequence[str] = DEFAULT_COLUMNS,
    threshold: str | None = None,
) -> Path:
    """Write report.html, report.md, table.csv, table.tex, plots and pictures; returns the path of the first.

    runs: records with their directories. datasets: the evaluated ones with frames; a record without its own
    among them gets no picture and no plots that need the truth. Pictures show the first seed of a method, the
    viewer the first dataset. protocols: by (name, content hash), None for the installed ones. thorough:
    plots from predictions use every seed, however long it takes; otherwise the first one, and none of large
    data sets. timed: records of speed, for the column FPS and AP against it. columns: of the main tables.
    threshold: a score that tracks of all methods need in the tracking columns, None for the operating points.
    """
    dumped = with_rates([record.model_dump(mode="json") for record, _ in runs], timed)
    folders = {id(record): directory for record, (_, directory) in zip(dumped, runs, strict=True)}
    choices = _choices([record for record, _ in runs])
    page = report_page(dumped, columns, protocols, choices, threshold)
    plots = []
    for number, part in enumerate(page.blocks, start=1):
        dataset, why_not = _usable(part.block, datasets, thorough)
        rates = measured_rates(part.block, timed)
        if dataset is None:
            plots.append(write_plots(folder, number, part.block, None, why_not, rates=rates))
            continue
        values = block_values(part.block, folders, dataset, all_seeds=thorough)
        embeddings = block_embeddings(part.block, folders, dataset)
        plots.append(write_plots(folder, number, part.block, values, embeddings=embeddings, rates=rates))
    pictures = _draw_pictures(folder, [part.block for part in page.blocks], folders, datasets)
    write_markdown(folder, page, pictures, plots)
    write_latex(folder, page)
    viewer, no_viewer = _viewer([part.block for part in page.blocks], folders, datasets, thorough)
    return write_html(folder, page, pictures, plots, viewer, no_viewer)


def _usable(
    block: Block, datasets: Sequence[Dataset], thorough: bool, without_truth: bool = False
) -> tuple[Dataset | None, str]:
    """The dataset of a block, or None and why nothing can be made from predictions.

    without_truth: one whose truth is hidden will do.
    """
    if not datasets:
        return None, "they need the dataset, which was not opened."
    data = block.rows[0].records[0]["data"]
    dataset = _dataset_of(data["annotation_hash"], block.split, datasets)
    if dataset is None:
        at_hand = ", ".join(f"{dataset.name} {dataset.split}" for dataset in datasets)
        return None, f"the dataset at hand is {at_hand}, or has other annotations."
    if dataset.tracks is None and not without_truth:
        return None, "the truth of this split is not public."
    if data["videos"] != len(dataset.videos):
        return None, f"{data['videos']} of {len(dataset.videos)} videos were scored."
    if not thorough and len(block.rows) * block.videos > SHORT_VIDEOS:
        return None, "left out at the end of a run, for time; vis-bench report draws them."
    return dataset, ""


def _dataset_of(annotation_hash: str, split: str, datasets: Sequence[Dataset]) -> Dataset | None:
    for dataset in datasets:
        if (dataset.annotation_hash, dataset.split) == (annotation_hash, split):
            return dataset
    return None


def _viewer(
    blocks: Sequence[Block], folders: Mapping[int, Path], datasets: Sequence[Dataset], thorough: bool
) -> tuple[Viewer | None, str]:
    """The viewer of all runs on the first usable dataset, or None and the reason."""
    found = [(block, *_usable(block, datasets, thorough, without_truth=True)) for block in blocks]
    dataset = next((usable for _, usable, _ in found if usable is not None), None)
    if dataset is None:
        return None, next((reason for *_, reason in found if reason), "")
    if dataset.image_root is None:
        return None, "the frames of the dataset were not found."
    runs = viewed_runs(
        [block for block, usable, _ in found if usable is dataset], folders, all_seeds=thorough
    )
    if not runs:
        return None, "no predictions are stored."
    viewer = build_viewer(dataset, runs)
    if all(usable is dataset for _, usable, _ in found):
        return viewer, ""
    only = (
        f"The videos are those of {dataset.name} {dataset.split}; a report of other runs alone shows theirs."
    )
    return replace(viewer, notes=(only, *viewer.notes)), ""


def _draw_pictures(
    folder: Path, blocks: Sequence[Block], folders: Mapping[int, Path], datasets: Sequence[Dataset]
) -> dict[str, Path]:
    """Pictures by caption: some videos of every dataset with frames and truth, with a row per method."""
    pictures: dict[str, Path] = {}
    for dataset in datasets:
        if dataset.tracks is None or dataset.image_root is None:
            continue
        own = [block for block in blocks if _usable(block, [dataset], thorough=True)[0] is not None]
        first = viewed_runs(own, folders, all_seeds=False)
        runs = [Shown(run.label, read_results(run.predictions, dataset), run.iou_type) for run in first]
        # one run of each method, whose numbers in the tables are means over its seeds
        seeds = sorted({run.seed for run in first})
        whose_seeds = (
            f", seed {seeds[0]}" if len(seeds) == 1 else ", seeds as named in the rows" if seeds else ""
        )
        parts = [runs[start : start + MOST_ROWS] for start in range(0, len(runs), MOST_ROWS)]
        for video in bar(choose_videos(dataset), "drawing videos", "video"):
            whose = f"{dataset.name}-{dataset.split}-" if len(datasets) > 1 else ""
            for number, part in enumerate(parts, start=1):
                caption = f"Video {one_line(video.name)} of {dataset.name} {dataset.split}{whose_seeds}"
                name = f"video-{whose}{video.name}"
                if len(parts) > 1:
                    caption, name = f"{caption}, part {number} of {len(parts)}", f"{name}-{number}"
                path = folder / f"{file_name(name)}.png"
                write_side_by_side(path, dataset, video, part)
                pictures[caption] = path
    return pictures


def _choices(records: Sequence[Record]) -> dict[str, Sequence[Choice]]:
    """The open points of the installed methods among the records; a method given by file has no entry."""
    names = {record.method for record in records} & set(method_names())
    return {name: load_spec(name).choices for name in sorted(names)}
