"""What can stand in a table: each column's name, where its number is in a record, and how it is printed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from vis_bench.errors import DataError, UsageError, did_you_mean

Record = Mapping[str, Any]
Unit = Literal["fraction", "count", "seconds"]

MOT_THRESHOLD = "0.3"
VIDEO_AP_NAMES = (
    *("AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl"),
    *("APso", "APmo", "APho", "ARso", "ARmo", "ARho"),
)
HOTA_NAMES = ("HOTA", "DetA", "AssA", "LocA", "DetRe", "DetPr", "AssRe", "AssPr", "OWTA")
MOT_NAMES = ("IDF1", "IDP", "IDR", "MOTA", "IDs", "FP", "FN", "MT", "ML", "Frag")
_MOT_COUNTS = frozenset({"IDs", "FP", "FN", "MT", "ML", "Frag"})


@dataclass(frozen=True, slots=True)
class Column:
    """One number of a record. `path` leads to it, or to the `timing` object for unit `seconds`.

    unit: `fraction` 0..1, printed in percent with one decimal; `count`; `seconds` per frame. family: what the
    number is taken over; columns of one family share one sentence of the caption.
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


def category_column(category: str) -> Column:
    """Video AP of one category."""
    return Column(category, ("metrics", "per_category", category, "AP"), "fraction", "one category")


_WHOLE_TRACKS = "whole tracks in space and time"
_SINGLE_FRAMES = "single frames, identities ignored"
_FRAME_TIME = Column("s/frame", ("timing",), "seconds", "wall time of tracking, not a speed measurement")

COLUMNS: Mapping[str, Column] = {
    column.name: column
    for column in (
        *(Column(name, ("metrics", "video_ap", name), "fraction", _WHOLE_TRACKS) for name in VIDEO_AP_NAMES),
        Column("fAP", ("metrics", "frame_ap", "AP"), "fraction", _SINGLE_FRAMES),
        Column("fAP50", ("metrics", "frame_ap", "AP50"), "fraction", _SINGLE_FRAMES),
        *(mot_column(name) for name in MOT_NAMES),
        *(
            Column(
                name,
                ("metrics", "hota", "class_agnostic", MOT_THRESHOLD, name),
                "fraction",
                f"class-agnostic, tracks scored above {MOT_THRESHOLD}",
            )
            for name in HOTA_NAMES
        ),
        _FRAME_TIME,
    )
}

# fractions of which a higher one is better. LocA is not: a threshold without a match counts 1, so a method
# that finds nothing has the highest
COMPARED_METRICS = tuple(
    name for name, column in COLUMNS.items() if column.unit == "fraction" and name != "LocA"
)

DEFAULT_COLUMNS = ("AP", "AP50", "AP75", "AR10", "HOTA", "IDF1", "MOTA", "IDs", "s/frame")


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


def choose_columns(names: Sequence[str]) -> tuple[Column, ...]:
    """The columns of these names, in this order. Raises UsageError for an unknown or repeated name."""
    for name in names:
        if name not in COLUMNS:
            raise UsageError(f"Unknown metric {name!r} for a table.{did_you_mean(name, COLUMNS)}")
    if len(set(names)) < len(names):
        raise UsageError(f"A metric is named twice: {', '.join(names)}. Name each column once.")
    return tuple(COLUMNS[name] for name in names)


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


def _number(record: Record, where: str, value: Any) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise DataError(
            f"Record of {record.get('method')!r}, seed {record.get('seed')!r}: {where} is {value!r}, "
            "a finite number or null is needed. Score the run again."
        )
    return float(value)
