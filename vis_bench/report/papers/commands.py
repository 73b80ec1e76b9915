"""The `vis-bench run` commands that would measure the rows of a published table."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from vis_bench.report.papers.cells import ComparedRow
from vis_bench.report.papers.published import PublishedPaper, PublishedRow, PublishedTable, Terms
from vis_bench.report.papers.runs import WantedRun, parse_run

# where a paper does not say how many trainings a number is the mean of
_SEEDS = 3


def run_commands(
    terms: Terms,
    paper: PublishedPaper,
    table: PublishedTable,
    rows: Sequence[ComparedRow],
    on: str | None,
    out: str,
) -> list[str]:
    """One command per data set, values set by hand and kind of training data; methods share a command.

    on: the data set to measure on, None for the paper's own, where only rows without a record count. With
    `on`, rows that need another backbone than the small configurations have are left out.
    """
    official = {dataset.name for dataset in terms.datasets.values()}
    methods: dict[tuple[str, tuple[tuple[str, str], ...], bool], dict[str, None]] = {}
    for compared in rows:
        if on is None and compared.source is not None and not _elsewhere(terms, table, compared):
            continue
        dataset = on or _own_dataset(terms, table, compared.row)
        run = _run_on(terms, compared.row, small=dataset not in official and on is not None)
        if run is not None and dataset is not None:
            key = (dataset, run.values, compared.row.extra_data)
            methods.setdefault(key, {})[run.name(with_config=on is None or dataset in official)] = None
    seeds = paper.trainings or _SEEDS
    return [_command(",".join(names), *key, key[0] in official, seeds, out) for key, names in methods.items()]


def _elsewhere(terms: Terms, table: PublishedTable, compared: ComparedRow) -> bool:
    source = compared.source
    return source is not None and source.block.dataset != _own_dataset(terms, table, compared.row)


def _own_dataset(terms: Terms, table: PublishedTable, row: PublishedRow) -> str | None:
    known = terms.datasets.get(table.dataset_of(row))
    if known is not None:
        return known.name
    return "path/to/" + table.dataset_of(row).partition(" (")[0].lower().replace(" ", "-")


def _run_on(terms: Terms, row: PublishedRow, small: bool) -> WantedRun | None:
    """The first run of a row that the data set is meant for, None without one."""
    runs = [parse_run(text) for text in row.runs]
    return next((run for run in runs if not small or run.variant not in terms.backbone_variants), None)


def _command(
    methods: str,
    dataset: str,
    values: tuple[tuple[str, str], ...],
    extra_data: bool,
    official: bool,
    seeds: int,
    out: str,
) -> str:
    parts = ["vis-bench", "run", "--methods", methods, "--dataset", dataset]
    for key, value in values:
        parts += ["--set", f"{key}={value}"]
    if extra_data:
        parts += ["--extra-data", "coco:path/to/coco"]
    parts += ["--seeds", str(seeds), "--out", out]
    if official or dataset.startswith("path/to/"):
        parts += ["--protocol", "paper", "--device", "cuda"]
    return shlex.join(parts)
