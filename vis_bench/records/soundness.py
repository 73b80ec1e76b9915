"""Whether the numbers of a record can be numbers of a run: their places, their types, their bounds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from vis_bench.records.columns import (
    COLUMNS,
    HOTA_NAMES,
    MOT_NAMES,
    MOT_THRESHOLD,
    MOT_THRESHOLDS,
    Column,
    category_column,
    is_number,
    mot_column,
)

_TOLERANCE = 1e-9


def unsound(metrics: object) -> str | None:
    """What is wrong with the metrics of a record, None where nothing is.

    Looks at every number that a table can show. A number that is not there, or null, is sound: older records
    hold fewer.
    """
    if not isinstance(metrics, Mapping):
        return f"is {type(metrics).__name__}, an object of metrics is needed"
    errors = metrics.get("errors")
    if errors is not None and not isinstance(errors, Mapping):
        return f"errors is {errors!r}, an object is needed"
    for column in _columns(metrics):
        problem = _problem(metrics, column)
        if problem is not None:
            return problem
    return None


def _columns(metrics: Mapping[str, Any]) -> Iterator[Column]:
    yield from (column for column in COLUMNS.values() if column.unit != "seconds")
    for classes in ("class_agnostic", "class_aware"):
        for threshold in MOT_THRESHOLDS:
            yield from (mot_column(name, threshold, classes) for name in MOT_NAMES)
        for threshold in ("all", MOT_THRESHOLD):
            path = ("metrics", "hota", classes, threshold)
            yield from (Column(name, (*path, name), "fraction", "") for name in HOTA_NAMES)
    categories = metrics.get("per_category")
    if isinstance(categories, Mapping):
        yield from map(category_column, categories)
    else:
        # its place is looked at all the same
        yield category_column("any")


def _problem(metrics: Mapping[str, Any], column: Column) -> str | None:
    value: Any = metrics
    for depth, key in enumerate(column.path[1:], start=1):
        if value is None:
            return None
        if not isinstance(value, Mapping):
            return f"{'.'.join(column.path[1:depth])} is {value!r}, an object is needed"
        value = value.get(key)
    if value is None:
        return None
    where = ".".join(column.path[1:])
    if not is_number(value):
        return f"{where} is {value!r}, a finite number or null is needed"
    least, most = column.bounds
    if not least - _TOLERANCE <= value <= most + _TOLERANCE:
        return f"{where} is {value!r}, it lies in {least:g} to {most:g}"
    return None
