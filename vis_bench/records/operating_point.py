"""Which score threshold the tracking columns of a table read, and what has to be said about it.

Every record is read at its own operating point. Records from before there was one hold fixed thresholds only;
where a table has such a record, all of its rows are read above 0.3, since two rules in a column compare
nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from vis_bench.records.columns import (
    HOTA_NAMES,
    MOT_NAMES,
    MOT_THRESHOLD,
    Column,
    Record,
    at_threshold,
    reads_operating_point,
)

SAME_VIDEOS = "same videos"
"""The source of a threshold that the scored videos chose for themselves: no verdict comes of it."""

NO_VERDICT = "the thresholds were chosen on the scored videos themselves, which are too few to halve"


def source_of(record: Record) -> str:
    """`val`, `cross-fit` or `same videos`; empty for a record without an operating point."""
    return str((record.get("operating_point") or {}).get("source", ""))


def shared_columns(columns: Sequence[Column], records: Sequence[Record]) -> tuple[Column, ...]:
    """The columns as all of these records with numbers can be read: above 0.3 where one has no point."""
    lacking = any(not source_of(record) for record in records)
    return tuple(at_threshold(column, MOT_THRESHOLD if lacking else None) for column in columns)


def scored_above(columns: Sequence[Column]) -> str:
    """`operating point`, or the score that tracks of all methods need; empty without such a column."""
    for column in columns:
        if column.name in (*MOT_NAMES, *HOTA_NAMES):
            return "operating point" if reads_operating_point(column) else column.path[-2]
    return ""


def point_notes(columns: Sequence[Column], rows: Sequence[tuple[str, Sequence[Record]]]) -> list[str]:
    """What a reader of such columns has to know. columns: as asked for; rows: label and done records."""
    names = ", ".join(column.name for column in columns if reads_operating_point(column))
    labels: dict[str, list[str]] = {}
    for label, records in rows:
        for source in dict.fromkeys(source_of(record) for record in records):
            labels.setdefault(source, []).append(label)
    if not names or not labels:
        return []
    if "" in labels:
        which = "these records" if len(labels) == 1 else ", ".join(labels[""])
        return [
            f"{names}: of tracks scored above {MOT_THRESHOLD} in every row, since {which} have no operating "
            "point."
        ]
    notes = []
    if len(labels) > 1:
        each = "; ".join(f"{source}: {', '.join(found)}" for source, found in labels.items())
        notes.append(f"Operating points come from different sources ({each}).")
    if SAME_VIDEOS in labels:
        notes.append(
            f"{names} of {', '.join(labels[SAME_VIDEOS])}: at thresholds that are best on the scored videos "
            "themselves, which are too few to halve; too high, and no verdict comes of them."
        )
    return notes


def thresholds_text(record: Record) -> str:
    """`0.35`, or `0.3 and 0.4` for two halves; `-` without an operating point."""
    point = record.get("operating_point") or {}
    return " and ".join(f"{value:g}" for value in point.get("thresholds", ())) or "-"
