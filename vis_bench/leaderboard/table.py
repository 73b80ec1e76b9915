"""The tables of a leaderboard: numbers with intervals, places that the verdicts allow, and conflicts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from vis_bench.errors import DataError
from vis_bench.leaderboard.entries import Entry, Group, same_method
from vis_bench.records.columns import (
    COLUMNS,
    FPS,
    Column,
    at_threshold,
    read_value,
    reads_operating_point,
)
from vis_bench.records.equal import same
from vis_bench.records.operating_point import SAME_VIDEOS, shared_columns, source_of
from vis_bench.scoring.statistics import Statistics
from vis_bench.study.comparison import Scores, defined_everywhere, mean_interval, resample_videos, score_runs
from vis_bench.study.ranks import Ranked, rank_ranges, rank_text, verdicts

RANKED_BY = "AP"
SHOWN = ("AP", "AP50", "HOTA", "IDF1")
"""Columns with an interval."""
WITHOUT_INTERVAL = ("AP75", "AR10", "MOTA", "IDs")
MARGIN_POINTS = 0.5


@dataclass(frozen=True, slots=True)
class Value:
    """A number of an entry over its seeds: a fraction, a count or a rate. low, high: what other seeds and
    other videos would give, None where that is not known. sd: over the seeds."""

    mean: float | None
    low: float | None = None
    high: float | None = None
    sd: float | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """One entry with its numbers by column. places: None for an entry that was not scored again."""

    entry: Entry
    places: tuple[int, int] | None
    values: dict[str, Value]
    fps: float | None
    seconds_per_frame: float | None

    @property
    def rank(self) -> str:
        """`1-3`, or a dash."""
        return "–" if self.places is None else rank_text(self.places)


@dataclass(frozen=True, slots=True)
class LeaderTable:
    """lines: the best first. conflicts: sentences on entries of one method with different numbers. ranked:
    how many entries have places. notes: what a reader has to know."""

    group: Group
    lines: tuple[Line, ...]
    conflicts: tuple[str, ...]
    ranked: int
    notes: tuple[str, ...]


def leader_table(group: Group, margin: float = MARGIN_POINTS) -> LeaderTable:
    """The table of a group. margin: points within which two methods count as equivalent."""
    entries = [entry for entry in group.entries if entry.row.done or entry.checked == "re-scored"]
    columns = [COLUMNS[name] for name in (*SHOWN, *WITHOUT_INTERVAL)]
    scored = [entry for entry in entries if entry.checked == "re-scored"]
    records = [record for entry in entries for record in entry.row.done]
    columns = list(shared_columns(columns, records)) if records else columns
    found = {name: _scores(scored, column) for name, column in zip(SHOWN, columns, strict=False)}
    lines = []
    places = _places(scored, found[RANKED_BY], margin)
    for entry in entries:
        position = scored.index(entry) if entry in scored else None
        values = {
            column.name: _value(entry, column, found.get(column.name, []), position) for column in columns
        }
        lines.append(
            Line(
                entry,
                None if position is None else places[position],
                values,
                _mean(entry, FPS),
                _mean(entry, COLUMNS["s/frame"]),
            )
        )
    lines.sort(key=_order)
    conflicts, equal = conflicts_of(entries)
    notes = (*_notes(scored, columns), *equal)
    return LeaderTable(group, tuple(lines), conflicts, len(scored), notes)


def _scores(entries: Sequence[Entry], column: Column) -> list[Scores | None]:
    """The metric of entries that were scored again, under the same resamples; None where it is undefined."""
    if not entries:
        return []
    path = column.path[1:]
    first = _statistics(entries[0])[0]
    try:
        resamples = resample_videos(first, path)
    except DataError:
        return [None] * len(entries)
    found: list[Scores | None] = []
    for entry in entries:
        try:
            found.append(score_runs(entry.label, _statistics(entry), path, resamples))
        except (DataError, KeyError):
            found.append(None)
    return found


def _statistics(entry: Entry) -> list[Statistics]:
    return [run.statistics for run in entry.runs if run.statistics is not None]


def _seeds(entry: Entry) -> tuple[int, ...]:
    return tuple(int(run.record["seed"]) for run in entry.runs if run.statistics is not None)


def _places(
    entries: Sequence[Entry], scores: Sequence[Scores | None], margin: float
) -> list[tuple[int, int]]:
    """The range of places of every entry; one whose metric is undefined may have any."""
    known = [k for k, one in enumerate(scores) if one is not None]
    ranked = [
        Ranked(one, _seeds(entries[k]), entries[k].row.foreign and len(entries[k].runs) == 1)
        for k, one in enumerate(scores)
        if one is not None
    ]
    better = []
    for (a, b), verdict in verdicts(ranked, margin).items():
        if verdict in ("better", "worse"):
            better.append((known[a], known[b]) if verdict == "better" else (known[b], known[a]))
    return rank_ranges(len(entries), better)


def _value(entry: Entry, column: Column, scores: Sequence[Scores | None], position: int | None) -> Value:
    cell = entry.row.cell(column) if entry.row.done else None
    one = scores[position] if position is not None and scores else None
    if one is None:
        return Value(None) if cell is None else Value(cell.mean, sd=cell.sd)
    sd = float(np.std(one.values, ddof=1)) / 100 if len(one.values) > 1 else None
    try:
        mean, low, high = mean_interval(one, defined_everywhere([one]), column)
    except DataError:
        return Value(float(one.values.mean()) / 100, sd=sd)
    return Value(mean / 100, low / 100, high / 100, sd)


def _mean(entry: Entry, column: Column) -> float | None:
    values = [read_value(run.record, column) for run in entry.runs]
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _order(line: Line) -> tuple[bool, float, str, str]:
    """Those that were scored again first, by the metric; then what is claimed."""
    mean = line.values[RANKED_BY].mean
    return line.places is None, -(mean if mean is not None else -1.0), line.entry.label, line.entry.source


def conflicts_of(entries: Sequence[Entry]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Entries of different bundles that claim to be one method with one seed: (sentences on those that
    differ in a number, sentences on those that are equal)."""
    differ, equal = [], []
    for a, b in combinations(entries, 2):
        if a.source == b.source or not same_method(a, b):
            continue
        ours = {record["seed"]: record for record in a.row.done}
        theirs = {record["seed"]: record for record in b.row.done}
        for seed in sorted(set(ours) & set(theirs)):
            who = f"{a.label} seed {seed}: {a.source}"
            if same(ours[seed]["metrics"], theirs[seed]["metrics"]):
                equal.append(f"{who} and {b.source} hold equal numbers.")
                continue
            x, y = (read_value(record[seed], COLUMNS[RANKED_BY]) for record in (ours, theirs))
            text = f"{who} has {RANKED_BY} {_points(x)}, {b.source} has {_points(y)}"
            differ.append(text + ("; other numbers differ." if same(x, y) else "."))
    return tuple(differ), tuple(equal)


def _points(value: float | None) -> str:
    return "undefined" if value is None else f"{100 * value:.2f}"


def _notes(entries: Sequence[Entry], columns: Sequence[Column]) -> tuple[str, ...]:
    named = [column.name for column in columns if reads_operating_point(column)]
    sources = {source_of(record) for entry in entries for record in entry.row.done}
    fixed = [column.name for column in columns if column != at_threshold(COLUMNS[column.name], None)]
    notes = []
    if fixed:
        notes.append(
            f"{', '.join(fixed)}: of tracks scored above 0.3, since some record has no operating point."
        )
    elif named:
        notes.append(f"{', '.join(named)}: at the operating point of each method.")
    if SAME_VIDEOS in sources:
        notes.append(
            "Some operating points were chosen on the scored videos themselves, which are too few to halve."
        )
    return tuple(notes)
