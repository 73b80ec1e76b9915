"""The terminal summary of `vis-bench eval`: every metric within 80 columns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from vis_bench.metrics.prediction_facts import PredictionFacts
from vis_bench.metrics.temporal_errors import KINDS
from vis_bench.types import Dataset, IouType

MOST_CLASSES = 25
"""Classes that the table lists: those with most truth."""
AP_COLUMNS = ("AP", "AP50", "AP75", "APs", "APm", "APl")
_OCCLUSION_COLUMNS = ("APso", "APmo", "APho", "ARso", "ARmo", "ARho")
_MOTS_COLUMNS = ("MOTSA", "sMOTSA", "MOTSP", "IDF1", "IDs", "FP", "FN", "MT")
_MOT_COLUMNS = ("IDF1", "IDP", "IDR", "MOTA", "IDs", "FP", "FN", "MT", "ML", "Frag")
_POINT_COLUMNS = ("IDF1", "IDP", "IDR", "MOTA", "recall", "IDs", "FP", "FN", "MT", "ML", "Frag")
_HOTA_COLUMNS = ("HOTA", "DetA", "AssA", "LocA", "DetRe", "DetPr", "AssRe", "AssPr", "OWTA")
_SINGLE: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("video_ap_agnostic", "class-agnostic AP, %", AP_COLUMNS),
    ("frame_ap", "frame AP, %", ("AP", "AP50")),
    ("frame_ap_official", "frame AP, empty masks counted, %", ("AP", "AP50")),
)
_BY_CLASS_MODE: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("mot", "MOT", _MOT_COLUMNS),
    ("mot_masks", "MOT, masks", _MOT_COLUMNS[:-1]),  # for the width of a terminal
    ("mots", "MOTS", _MOTS_COLUMNS),
    ("hota", "HOTA", _HOTA_COLUMNS),
)
"""Key of the result, title and columns of what stands under class modes and score thresholds."""

_SOURCES = {
    "val": "chosen on val",
    "cross-fit": "best IDF1 on one half, for the other",
    "same videos": "best IDF1 on these very videos: too high",
}
_PLACES = {"operating_point": "operating point", "0.05": "score > 0.05"}

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
    widths = [max(6, len(column) + 1) for column in columns]
    lines = [title.ljust(first) + "".join(map(str.rjust, columns, widths))]
    lines += [name.ljust(first) + "".join(map(_cell, map(row.get, columns), widths)) for name, row in rows]
    return [*lines, ""]


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
            lines += _grid("any class", _POINT_COLUMNS, [("MOT", point["mot"])])
        if "hota" in point:
            lines += _grid("any class", _HOTA_COLUMNS, [("HOTA", point["hota"])])
    if "duplicates_per_100" in result:
        found = ", ".join(
            f"{'-' if value is None else f'{value:.1f}'} ({_PLACES[above]})"
            for above, value in result["duplicates_per_100"].items()
        )
        lines += [f"duplicates per 100 object frames: {found}", ""]
    return lines


def evaluation_summary(
    result: Mapping[str, Any], dataset: Dataset, predictions: PredictionFacts, iou_type: IouType = "segm"
) -> str:
    """Text of at most 80 columns from the dictionary that `vis_bench.scoring.evaluate.evaluate` returns."""
    truth, videos, silent = len(dataset.tracks or ()), len(dataset.videos), predictions.silent_videos
    lines = [
        f"{_shorten(dataset.name, 30)} {dataset.split}: {videos} videos, {truth} truth tracks, "
        f"{predictions.count} predictions",
        *([f"{silent} of {videos} videos have no predictions."] if silent else []),
        *(["Measured on boxes, not on masks."] if iou_type == "bbox" else []),
        "",
    ]
    if "video_ap" in result:
        lines += _video_ap(result, dataset, predictions)
    for key, title, columns in _SINGLE:
        if key in result:
            lines += _grid(title, columns, [("all", result[key])])
    for key, title, columns in _BY_CLASS_MODE:
        for mode, thresholds in result.get(key, {}).items():
            lines += _grid(f"{title} {mode.replace('_', ' ')}", columns, _by_score(thresholds))
    if "hota_classes" in result:
        means = {name: one["mean"] for name, one in result["hota_classes"].items()}
        lines += _grid("HOTA mean of classes", _HOTA_COLUMNS, _by_score(means))
    if "teta" in result:
        lines += _grid("TETA, %", ("TETA", "LocA", "AssocA", "ClsA"), _by_score(result["teta"]))
    lines += _operating_point(result)
    for mode, thresholds in result.get("errors", {}).items():
        for threshold, row in thresholds.items():
            lines += _errors(f"errors {mode.replace('_', ' ')}, score > {threshold}", row)
    lines.append("- is undefined: no truth of that class, size or kind. IDs to Frag are counts.")
    return "\n".join(lines)


def mean_text(mean: Mapping[str, Any]) -> str:
    """The headline of YouTube-VIS 2022: the mean of short and long videos."""
    return "\n".join(_grid("mean of both, %", AP_COLUMNS, [("video AP", mean["video_ap"])])[:-1])


def _by_score(thresholds: Mapping[str, Mapping[str, Any]]) -> Rows:
    return [(name if name == "all" else f"score > {name}", row) for name, row in thresholds.items()]


def _video_ap(result: Mapping[str, Any], dataset: Dataset, predictions: PredictionFacts) -> list[str]:
    """AP of all classes and of those that have something, at most MOST_CLASSES of them."""
    ap = result["video_ap"]
    truth = Counter(track.category_id for track in dataset.tracks or () if not track.is_crowd)
    named = [one for one in dataset.categories if truth[one.id] or predictions.by_category.get(one.id)]
    kept = {one.id for one in sorted(named, key=lambda one: -truth[one.id])[:MOST_CLASSES]}
    rows = [(_shorten(one.name), result["per_category"][one.name]) for one in named if one.id in kept]
    lines = _grid("video AP, %", AP_COLUMNS, [("all", ap), *rows])
    if len(named) > len(kept):
        lines[-1:] = [f"and {len(named) - len(kept)} classes with less truth, see --json", ""]
    lines += _grid("video AR, %", ("AR1", "AR10", "AR100", "ARs", "ARm", "ARl"), [("all", ap)])
    if any(ap.get(name) is not None for name in _OCCLUSION_COLUMNS):
        lines += _grid("by occlusion, %", _OCCLUSION_COLUMNS, [("all", ap)])
    groups = [(_shorten(name), row) for name, row in result.get("class_groups", {}).items()]
    return lines + (_grid("groups of classes, %", AP_COLUMNS, groups) if groups else [])
