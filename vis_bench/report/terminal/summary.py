"""The terminal summary of `vis-bench eval`: every metric within 80 columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from vis_bench.metrics.temporal_errors import KINDS
from vis_bench.types import Dataset, IouType

_MOT_COLUMNS = ("IDF1", "IDP", "IDR", "MOTA", "IDs", "FP", "FN", "MT", "ML", "Frag")
_POINT_COLUMNS = ("IDF1", "IDP", "IDR", "MOTA", "recall", "IDs", "FP", "FN", "MT", "ML", "Frag")
_HOTA_COLUMNS = ("HOTA", "DetA", "AssA", "LocA")

_SOURCES = {
    "val": "chosen on val",
    "cross-fit": "best IDF1 on one half, for the other",
    "same videos": "best IDF1 on these very videos: too high",
}
_PLACES = {"operating_point": "at this point", "0.05": "above 0.05"}

Rows = Sequence[tuple[str, Mapping[str, Any]]]
"""Names and numbers; names may repeat, as long ones are cut."""


def _cell(value: float | int | None, width: int) -> str:
    if value is None:
        return "-".rjust(width)
    if isinstance(value, int):
        return str(value).rjust(width)
    # MOTA has no lower bound; a blank has to stay between two columns
    return (f"{100 * value:.1f}" if value > -1 else f"{100 * value:.0f}").rjust(width)


def _grid(title: str, columns: tuple[str, ...], rows: Rows) -> list[str]:
    first = max([len(title), *(len(name) for name, _ in rows)])
    lines = [title.ljust(first) + "".join(name.rjust(_width(name)) for name in columns)]
    lines += [
        name.ljust(first) + "".join(_cell(row.get(column), _width(column)) for column in columns)
        for name, row in rows
    ]
    return [*lines, ""]


def _width(column: str) -> int:
    """Cells of a column: six, or one more than its name."""
    return max(6, len(column) + 1)


def _shorten(name: str, width: int = 20) -> str:
    return name if len(name) <= width else name[: width - 1] + "…"


def _errors(title: str, row: Mapping[str, Any]) -> list[str]:
    """Two kinds per line: count and rate per 100 truth frames."""
    cells = []
    for kind in KINDS:
        rate = row[f"{kind}_per_100_frames"]
        rate_text = "-" if rate is None else f"{rate:.2f}"
        cells.append(f"{kind.replace('_', ' '):<16}{row[kind]:>8} {rate_text:>8}")
    lines = [f"{title}: count, per 100 of {row['truth_frames']} truth frames"]
    return [*lines, *("    ".join(cells[k : k + 2]) for k in range(0, len(cells), 2)), ""]


def _operating_point(result: Mapping[str, Any]) -> list[str]:
    """Numbers at the threshold that is best on other videos, and duplicates there."""
    lines: list[str] = []
    point = result.get("operating_point")
    if point:
        at = " and ".join(f"{value:g}" for value in point["thresholds"])
        lines += [f"operating point: score > {at} ({_SOURCES[point['source']]})"]
        if "mot" in point:
            lines += _grid("agnostic", _POINT_COLUMNS, [("MOT", point["mot"])])
        if "hota" in point:
            lines += _grid("agnostic", _HOTA_COLUMNS, [("HOTA", point["hota"])])
    if "duplicates_per_100" in result:
        found = ", ".join(
            f"{'-' if value is None else f'{value:.1f}'} {_PLACES[above]}"
            for above, value in result["duplicates_per_100"].items()
        )
        lines += [f"duplicates per 100 object frames: {found}", ""]
    return lines


def evaluation_summary(
    result: Mapping[str, Any], dataset: Dataset, predictions: int, iou_type: IouType = "segm"
) -> str:
    """Text of at most 80 columns from the dictionary that `vis_bench.scoring.evaluate.evaluate` returns."""
    truth = len(dataset.tracks or ())
    lines = [
        f"{_shorten(dataset.name, 30)} {dataset.split}: {len(dataset.videos)} videos, {truth} truth tracks, "
        f"{predictions} predictions",
        *(["Measured on boxes, not on masks."] if iou_type == "bbox" else []),
        "",
    ]
    if "video_ap" in result:
        ap = result["video_ap"]
        rows = [("all", ap), *((_shorten(name), row) for name, row in result["per_category"].items())]
        lines += _grid("video AP, %", ("AP", "AP50", "AP75", "APs", "APm", "APl"), rows)
        lines += _grid("video AR, %", ("AR1", "AR10", "AR100", "ARs", "ARm", "ARl"), [("all", ap)])
    if "frame_ap" in result:
        lines += _grid("frame AP, %", ("AP", "AP50"), [("all", result["frame_ap"])])
    for mode, thresholds in result.get("mot", {}).items():
        rows = [(f"score > {threshold}", row) for threshold, row in thresholds.items()]
        lines += _grid(f"MOT {mode.replace('_', ' ')}", _MOT_COLUMNS, rows)
    for mode, thresholds in result.get("hota", {}).items():
        rows = [(name if name == "all" else f"score > {name}", row) for name, row in thresholds.items()]
        lines += _grid(f"HOTA {mode.replace('_', ' ')}", _HOTA_COLUMNS, rows)
    lines += _operating_point(result)
    for mode, thresholds in result.get("errors", {}).items():
        for threshold, row in thresholds.items():
            lines += _errors(f"errors {mode.replace('_', ' ')}, score > {threshold}", row)
    lines.append("- is undefined: no truth of that class, size or kind. IDs to Frag are counts.")
    return "\n".join(lines)
