"""What can stand in a table: each column's name, where its number is in a record, and how it is printed."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from vis_bench.errors import DataError, UsageError, did_you_mean

Record = Mapping[str, Any]
Unit = Literal["fraction", "count", "rate", "seconds"]

MOT_THRESHOLD = "0.3"
"""What stands in for the operating point in records that have none."""
MOT_THRESHOLDS = ("0.0", "0.1", "0.3", "0.5")
VIDEO_AP_NAMES = (
    *("AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl"),
    *("APso", "APmo", "APho", "ARso", "ARmo", "ARho"),
)
HOTA_NAMES = ("HOTA", "DetA", "AssA", "LocA", "DetRe", "DetPr", "AssRe", "AssPr", "OWTA")
MOT_NAMES = ("IDF1", "IDP", "IDR", "MOTA", "recall", "IDs", "FP", "FN", "MT", "ML", "Frag")
_MOT_COUNTS = frozenset({"IDs", "FP", "FN", "MT", "ML", "Frag"})


@dataclass(frozen=True, slots=True)
class Column:
    """One number of a record. `path` leads to it, or to the `timing` object for unit `seconds`.

    unit: `fraction` 0..1, printed in percent with one decimal; `count`; `rate` per 100 of something
    or per second; `seconds` per frame. family: what the number is taken over; columns of one family share one
    sentence of the caption.
    """

    name: str
    path: tuple[str, ...]
    unit: Unit
    family: str

    @property
    def bounds(self) -> tuple[float, float]:
        """The least and the largest value that the number can have."""
        least = -math.inf if self.name == "MOTA" else 0.0
        return least, 1.0 if self.unit == "fraction" else math.inf


def mot_column(name: str, threshold: str = MOT_THRESHOLD, classes: str = "class_agnostic") -> Column:
    """A column of the tracking metrics at one score threshold; classes: class_agnostic or class_aware."""
    return Column(
        name,
        ("metrics", "mot", classes, threshold, name),
        "count" if name in _MOT_COUNTS else "fraction",
        f"{classes.replace('_', '-')}, tracks scored above {threshold}",
    )


def _point_column(kind: str, name: str) -> Column:
    """A column of the tracking metrics (kind `mot`) or of HOTA (`hota`) at the operating point."""
    return Column(
        name,
        ("metrics", "operating_point", kind, name),
        "count" if name in _MOT_COUNTS else "fraction",
        "class-agnostic, at the operating point of each method (the score threshold with its best IDF1)",
    )


def reads_operating_point(column: Column) -> bool:
    """Whether the column's number depends on a score threshold that was chosen for the method."""
    return column.path[1:2] == ("operating_point",)


def at_threshold(column: Column, threshold: str | None) -> Column:
    """The column at one score threshold for all methods, where it would read the operating point.

    None leaves every column as it is. HOTA is in records above 0.3 only, at the others it is not computed.
    """
    if threshold is None or not reads_operating_point(column):
        return column
    fixed = mot_column(column.name, threshold)
    return replace(fixed, path=("metrics", column.path[2], *fixed.path[2:]), unit=column.unit)


def scored_part(column: Column) -> str:
    """The metric of `scoring.evaluate` that a column's number comes from: video_ap, frame_ap, mot or hota."""
    return column.path[2] if reads_operating_point(column) else column.path[1]


def compared_column(name: str, threshold: str | None = None) -> Column:
    """The column of a metric that predictions can be compared by; threshold: as `at_threshold`.

    Raises UsageError for an unknown one, for one that is no fraction or not better when higher, and for a
    threshold at which it is not computed.
    """
    if name not in COLUMNS:
        raise UsageError(f"Unknown metric {name!r}.{did_you_mean(name, COMPARED_METRICS)}")
    if name not in COMPARED_METRICS:
        raise UsageError(
            f"--metric {name}: only metrics between 0 and 1 are compared, since the margin is in points, and "
            f"of these the ones that are better when higher: {', '.join(COMPARED_METRICS)}."
        )
    column = at_threshold(COLUMNS[name], threshold)
    if column.path[1] == "hota" and threshold != MOT_THRESHOLD:
        raise UsageError(f"--threshold {threshold}: {name} is computed above {MOT_THRESHOLD} only.")
    return column


def parse_threshold(given: str | float | None) -> str | None:
    """A score threshold as records name it, from what was given; None for the operating point.

    Raises UsageError for one that records do not hold.
    """
    if given is None:
        return None
    try:
        found = str(float(given))
    except ValueError:
        found = str(given)
    if found not in MOT_THRESHOLDS:
        raise UsageError(
            f"--threshold {given}: records are scored above {', '.join(MOT_THRESHOLDS)}, and, without "
            "--threshold, at each method's operating point."
        )
    return found


def category_column(category: str) -> Column:
    """Video AP of one category."""
    return Column(category, ("metrics", "per_category", category, "AP"), "fraction", "one category")


_WHOLE_TRACKS = "whole tracks in space and time"
_SINGLE_FRAMES = "single frames, identities ignored"
DUPLICATES = Column(
    "Dup",
    ("metrics", "duplicates_per_100", "operating_point"),
    "rate",
    "predictions per 100 object frames on an object that a better-scored one covers, at the operating point",
)
_FRAME_TIME = Column("s/frame", ("timing",), "seconds", "wall time of tracking, not a speed measurement")
FPS = Column(
    "FPS",
    ("metrics", "measured_speed", "fps"),
    "rate",
    "frames per second end to end, by vis-bench speed; machine and protocol stand above its own table",
)
"""Of records that `report.speed.rates.with_rates` has joined with records of speed."""

COLUMNS: Mapping[str, Column] = {
    column.name: column
    for column in (
        *(Column(name, ("metrics", "video_ap", name), "fraction", _WHOLE_TRACKS) for name in VIDEO_AP_NAMES),
        Column("fAP", ("metrics", "frame_ap", "AP"), "fraction", _SINGLE_FRAMES),
        Column("fAP50", ("metrics", "frame_ap", "AP50"), "fraction", _SINGLE_FRAMES),
        *(_point_column("mot", name) for name in MOT_NAMES),
        DUPLICATES,
        *(_point_column("hota", name) for name in HOTA_NAMES),
        _FRAME_TIME,
        FPS,
    )
}

# fractions of which a higher one is better. LocA is not: a threshold without a match counts 1, so a method
# that finds nothing has the highest
COMPARED_METRICS = tuple(
    name for name, column in COLUMNS.items() if column.unit == "fraction" and name != "LocA"
)

DEFAULT_COLUMNS = ("AP", "AP50", "AP75", "AR10", "HOTA", "IDF1", "MOTA", "recall", "IDs", "s/frame")
COLUMNS_WITH_SPEED = tuple(FPS.name if name == _FRAME_TIME.name else name for name in DEFAULT_COLUMNS)
"""The default where records of speed are given."""


def parse_columns(given: str | Sequence[str] | None) -> tuple[str, ...]:
    """Names of columns from text with commas or a list; None for the default ones.

    Raises UsageError for an unknown or repeated name, and for none at all.
    """
    if given is None:
        return DEFAULT_COLUMNS
    listed = given.split(",") if isinstance(given, str) else given
    names = tuple(name.strip() for name in listed if name.strip())
    if not names:
        raise UsageError(f"--columns {given!r}: names no column. Known: {', '.join(COLUMNS)}.")
    choose_columns(names)
    return names


def choose_columns(names: Sequence[str], threshold: str | None = None) -> tuple[Column, ...]:
    """The columns of these names, in this order; threshold: as `at_threshold`.

    Raises UsageError for an unknown or repeated name.
    """
    for name in names:
        if name not in COLUMNS:
            raise UsageError(f"Unknown metric {name!r} for a table.{did_you_mean(name, COLUMNS)}")
    if len(set(names)) < len(names):
        raise UsageError(f"A metric is named twice: {', '.join(names)}. Name each column once.")
    return tuple(at_threshold(COLUMNS[name], threshold) for name in names)


def read_value(record: Record, column: Column) -> float | None:
    """The record's number for a column, None where it is null or was not computed.

    Raises DataError where the record holds something that is not a finite number.
    """
    value: Any = record
    for key in column.path:
        value = value.get(key) if isinstance(value, Mapping) else None
    if column.unit == "seconds":
        return _seconds_per_frame(record, value)
    return _number(record, ".".join(column.path), value)


def _seconds_per_frame(record: Record, timing: Any) -> float | None:
    if not isinstance(timing, Mapping):
        return None
    seconds = _number(record, "timing.track_seconds", timing.get("track_seconds"))
    frames = _number(record, "timing.frames", timing.get("frames"))
    return seconds / frames if seconds is not None and frames else None


def is_number(value: object) -> bool:
    """Whether a value of a record is a finite number; no boolean, and no whole number beyond a double."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) <= sys.float_info.max


def _number(record: Record, where: str, value: Any) -> float | None:
    if value is None:
        return None
    if not is_number(value):
        raise DataError(
            f"Record of {record.get('method')!r}, seed {record.get('seed')!r}: {where} is {value!r}, "
            "a finite number or null is needed. Score the run again."
        )
    return float(value)
