"""The terminal text of `vis-bench explain`: why a method scores what it scores, within 80 columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from vis_bench.metrics.temporal_errors import KINDS
from vis_bench.report.tables.text import one_line, shorten

COSTLY = 5


def explanation_text(result: Mapping[str, Any]) -> str:
    """Lines of at most 80 columns from the dictionary of `vis_bench.scoring.explain.explain`."""
    parts = [
        _oracles(result["oracles"]),
        _best_masks(result["best_masks"]),
        _decomposition(result["decomposition"]),
        _errors(result["errors"]),
        _slices(result["slices"]),
        costly_videos_text(result["costly_videos"]),
    ]
    return "\n\n".join("\n".join(part) for part in parts)


def costly_videos_text(videos: Sequence[Mapping[str, Any]]) -> list[str]:
    """The videos that cost most AP; one sentence where none does."""
    if not videos:
        return ["No video costs AP: leaving out any one of them does not raise it."]
    lines = ["videos that cost most AP: AP without the video minus AP, points"]
    lines += [
        f"  {100 * one['cost']:>6.2f}  {shorten(one_line(str(one['name'])), 50)} (id {one['video']})"
        for one in videos[:COSTLY]
    ]
    return lines


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f}"


def _oracles(rows: Mapping[str, Mapping[str, float | None]]) -> list[str]:
    lines = [f"{'oracle, %':<20}{'AP':>8}{'AP50':>8}"]
    lines += [f"{name:<20}{_percent(row['AP']):>8}{_percent(row['AP50']):>8}" for name, row in rows.items()]
    return lines


def _best_masks(row: Mapping[str, Any]) -> list[str]:
    return [
        f"the best mask on each of {row['truth_masks']} masks of the truth, whatever its class and score",
        f"{'recall at IoU 0.5, %':<28}{_percent(row['recall_50']):>8}",
        f"{'recall at IoU 0.75, %':<28}{_percent(row['recall_75']):>8}",
        f"{'its class is right, %':<28}{_percent(row['right_class']):>8}",
    ]


def _decomposition(rows: Mapping[str, Mapping[str, float | None]]) -> list[str]:
    lines = [f"{'repair gains, points':<20}{'AP':>8}{'AP50':>8}"]
    lines += [
        f"{kind.replace('_', ' '):<20}{_percent(rows['AP'][kind]):>8}{_percent(rows['AP50'][kind]):>8}"
        for kind in rows["AP"]
        if kind != "AP"
    ]
    return lines


def _errors(row: Mapping[str, Any]) -> list[str]:
    lines = [f"{'errors in time':<20}{'count':>8}{'per 100 of ' + str(row['truth_frames']) + ' frames':>26}"]
    for kind in KINDS:
        rate = row[f"{kind}_per_100_frames"]
        lines.append(
            f"{kind.replace('_', ' '):<20}{row[kind]:>8}{'-' if rate is None else f'{rate:.2f}':>26}"
        )
    return lines


def _slices(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    lines = [f"{'slice':<24}{'videos':>8}{'tracks':>8}{'AP, %':>8}{'95 % interval':>18}"]
    for row in rows:
        name = f"{row['property']} {row['name']}" + (" *" if row["small"] else "")
        known = row["low"] is not None
        interval = f"{_percent(row['low'])} to {_percent(row['high'])}" if known else "-"
        lines.append(f"{name:<24}{row['videos']:>8}{row['tracks']:>8}{_percent(row['AP']):>8}{interval:>18}")
    return [*lines, "* under 10 videos: an anecdote. Intervals cover the choice of videos only."]
