"""Reports of what lies in folders: `vis_bench.write_report`, and the command `report`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from vis_bench.data.remembered_truth import open_told_truth
from vis_bench.errors import DataError, UsageError
from vis_bench.records.columns import (
    COLUMNS_WITH_SPEED,
    DEFAULT_COLUMNS,
    FPS,
    parse_columns,
    parse_threshold,
    read_value,
)
from vis_bench.records.protocols import known_protocols
from vis_bench.records.run import Record, find_records, read_record
from vis_bench.report.folder import write_run_report
from vis_bench.report.speed.folder import (
    curves_text,
    read_speed_records,
    speed_text,
    write_curves,
    write_speed_folder,
)
from vis_bench.report.speed.rates import with_rates
from vis_bench.report.terminal.comparison_table import comparison_table
from vis_bench.types import Dataset


def _nowhere(text: str) -> None:
    """Show nothing."""


def write_report(
    places: str | Path | Sequence[str | Path],
    out: str | Path = "reports/latest",
    *,
    columns: str | Sequence[str] | None = None,
    pictures: bool = True,
    dataset: str | None = None,
    data_root: str | Path | None = None,
    threshold: str | float | None = None,
    protocols: Sequence[str | Path] = (),
    show: Callable[[str], object] = _nowhere,
    say: Callable[[str], object] = _nowhere,
) -> Path:
    """Write the report of all records found: Markdown, HTML, LaTeX, CSV, plots and pictures; returns `out`.

    places: run directories, folders of them, or record files; folders of records of speed are shown as well.
    columns: of the main tables (AP, AP50, HOTA, ...), a list or separated by commas; None for the usual ones,
    with FPS where a record of speed has a row's configuration.
    pictures: draw frames and plots from predictions, which need the data set. dataset: where the videos lie
    when the runs were made on a path; a name is found by itself. threshold: score above which tracks of all
    methods count in IDF1, MOTA, IDs, HOTA and their kin (0, 0.1, 0.3 or 0.5), None for each method's
    operating point. protocols: TOML files of protocols that are neither installed nor kept beside the
    records. show: takes the tables as text, such as `print`; say: takes the paths that were written,
    and warnings.

    Raises DataError (exit code 3) for a missing place, damaged records, and where nothing is found,
    UsageError (2) for unknown columns, and where `out` takes no files.

    >>> write_report([])
    Traceback (most recent call last):
        ...
    vis_bench.errors.DataError: no record.json and no record of speed under no folder.
    """
    folder, above = Path(out), parse_threshold(threshold)
    given = None if columns is None else parse_columns(columns)
    found = [Path(place) for place in ([places] if isinstance(places, str | Path) else places)]
    paths = find_records(found)
    timed, curves = read_speed_records([place for place in found if place.is_dir()])
    if timed:
        show(speed_text(timed))
        say(f"report     {write_speed_folder(folder, timed)}")
    if curves:
        show(curves_text(curves))
        for picture in write_curves(folder, curves):
            say(f"picture    {picture}")
    if not paths and not timed and not curves:
        raise DataError(
            f"no record.json and no record of speed under {', '.join(map(str, found)) or 'no folder'}."
        )
    if not paths:
        return folder
    runs = [(read_record(path), path.parent) for path in paths]
    dumped = with_rates([record.model_dump(mode="json") for record, _ in runs], timed)
    rated = any(read_value(record, FPS) is not None for record in dumped)
    shown = given or (COLUMNS_WITH_SPEED if rated else DEFAULT_COLUMNS)
    known = known_protocols((folder for _, folder in runs), protocols)
    show(comparison_table(dumped, shown, known, threshold=above))
    place = None if data_root is None else Path(data_root)
    datasets = _datasets(runs, dataset, place, say) if pictures else []
    try:
        written = write_run_report(
            folder, runs, datasets, known, thorough=True, timed=timed, columns=shown, threshold=above
        )
    except UsageError as error:
        # the table was shown already; a disk that takes nothing can be any that results are kept on
        raise UsageError(f"{error} Another folder than {folder}: --out.") from None
    say(f"report     {written}")
    return folder


def _datasets(
    runs: Sequence[tuple[Record, Path]],
    given: str | None,
    data_root: Path | None,
    say: Callable[[str], object],
) -> list[Dataset]:
    """The evaluated datasets, each once, in the order of the records; one that cannot be opened is named.

    Raises the error of opening where the user named the dataset.
    """
    if given is not None:
        first, folder = runs[0]
        told = None if given == first.dataset else given
        named = (first.dataset, first.split, first.data.annotation_hash)
        return [open_told_truth(*named, told=told, folders=[folder], data_root=data_root)]
    places: dict[tuple[str, str, str], list[Path]] = {}
    for record, folder in runs:
        places.setdefault((record.dataset, record.split, record.data.annotation_hash), []).append(folder)
    found = []
    for named, folders in places.items():
        try:
            found.append(open_told_truth(*named, folders=folders, data_root=data_root))
        except DataError as error:
            # tables are made from records, and are all there
            say(f"vis-bench: no pictures, and no plots that need the truth: {error}")
    return found
