"""Records as a table for pandas: `vis_bench.results`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vis_bench.records.columns import COLUMNS, read_value
from vis_bench.records.operating_point import scored_above, shared_columns
from vis_bench.records.run import Record, find_records, read_record

if TYPE_CHECKING:
    import pandas

# name in the table: name among the columns of reports
_METRICS = {
    "AP": "AP",
    "AP50": "AP50",
    "AP75": "AP75",
    "AR10": "AR10",
    "frame_AP50": "fAP50",
    "HOTA": "HOTA",
    "IDF1": "IDF1",
    "MOTA": "MOTA",
    "id_switches": "IDs",
}


def results(folder: str | Path | Sequence[str | Path] = "runs") -> pandas.DataFrame:
    """One row per record found at or below a folder, or several; sorted by path.

    Columns: method, config, seed, dataset, split, protocol, protocol_hash, status, AP, AP50, AP75, AR10,
    frame_AP50, HOTA, IDF1, MOTA, id_switches, scored_above, train_seconds, track_seconds, folder. Metrics are
    fractions 0..1 (MOTA may be negative), id_switches a count; HOTA, IDF1, MOTA and id_switches are
    class-agnostic, of tracks above the operating point of the record where it has one, else above 0.3, which
    scored_above says. What was not computed is NaN. folder: the run directory. A folder without records gives
    a table without rows.

    Raises DataError (exit code 3) for a missing folder or a damaged record.

    >>> import tempfile
    >>> list(results(tempfile.mkdtemp()).columns)[:4]
    ['method', 'config', 'seed', 'dataset']
    """
    import pandas

    places = [folder] if isinstance(folder, str | Path) else folder
    paths = find_records([Path(place) for place in places])
    names = [*_IDENTITY, "status", *_METRICS, "scored_above", "train_seconds", "track_seconds", "folder"]
    table = pandas.DataFrame([_row(read_record(path), path.parent) for path in paths], columns=names)
    numbers = [*_METRICS, "train_seconds", "track_seconds"]
    return table.astype(dict.fromkeys(numbers, float))


_IDENTITY = ("method", "config", "seed", "dataset", "split", "protocol", "protocol_hash")


def _row(record: Record, folder: Path) -> dict[str, Any]:
    values = record.model_dump(mode="json")
    columns = shared_columns([COLUMNS[column] for column in _METRICS.values()], [values])
    return {
        **{name: values[name] for name in (*_IDENTITY, "status")},
        **{name: read_value(values, column) for name, column in zip(_METRICS, columns, strict=True)},
        "scored_above": scored_above(columns),
        "train_seconds": record.timing.train_seconds,
        "track_seconds": record.timing.track_seconds,
        "folder": str(folder),
    }
