"""Which rows of a table found no track, and what to try: zeros alone do not say why they are zeros."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from vis_bench.records.columns import Column, Record
from vis_bench.records.operating_point import scored_above, shared_columns
from vis_bench.records.rows import Block, Row
from vis_bench.report.tables.text import one_line

_ALL = "0.0"
_POINT = "operating point"


def empty_notes(block: Block, columns: Sequence[Column]) -> list[str]:
    """One note on rows without any track scored above 0, one on those without a track above the score that
    the tracking columns read. columns: as asked for.
    """
    done = [record for row in block.rows for record in row.done]
    level = scored_above(shared_columns(columns, done))
    nothing: dict[str, Row] = {}
    too_low: list[str] = []
    for row in block.rows:
        label = one_line(row.label(block.default_config))
        without = {record["seed"] for record in row.done if _is_empty(record, _ALL)}
        if without:
            nothing[_named(label, row, without)] = row
        low = {record["seed"] for record in row.done if level and _is_empty(record, level)} - without
        if low:
            too_low.append(_named(label, row, low))
    notes = []
    if nothing:
        advice = "; ".join(dict.fromkeys(_advice(row) for row in nothing.values()))
        notes.append(f"No track at all: {', '.join(nothing)}. What to try: {advice}.")
    if too_low:
        where = f"the {level}" if level == _POINT else f"score {level}"
        notes.append(
            f"No track above {where}: {', '.join(too_low)}. What to try: --threshold 0, which reads the "
            "tracking columns from all tracks."
        )
    return notes


def _is_empty(record: Record, level: str) -> bool:
    """Whether no track counts there: the share of right ones among them, IDP, is undefined."""
    metrics = record["metrics"]
    if level == _POINT:
        found = (metrics.get("operating_point") or {}).get("mot") or {}
    else:
        levels = (metrics.get("mot") or {}).get("class_agnostic") or {}
        found = levels.get(level) or {}
    return "IDP" in found and found["IDP"] is None


def _named(label: str, row: Row, seeds: set[int]) -> str:
    """The label, with the seeds where it is not all of them."""
    if len(seeds) == len(row.done):
        return label
    return f"{label} (seed {', '.join(map(str, sorted(seeds)))})"


def _advice(row: Row) -> str:
    first = row.done[0]
    if row.foreign and not first.get("foreign_code"):
        return "vis-bench eval of the imported file, which says what it holds"
    if first.get("train_data") is None:
        return "other weights (--weights FILE)"
    if str(first["protocol"]).endswith("-quick"):
        return "the same run without --quick, which trains longer"
    longer = [f"--set {key}={2 * value}" for key, value in _iterations(first.get("config_values") or {})]
    return (
        f"training twice as long ({' '.join(longer)})" if longer else "training from weights (--start FILE)"
    )


def _iterations(values: Mapping[str, Any], place: str = "") -> Iterator[tuple[str, int]]:
    """Dotted keys of a configuration that hold how many steps are trained."""
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _iterations(value, f"{place}{key}.")
        elif key == "iterations" and isinstance(value, int) and value > 0:
            yield f"{place}{key}", value
