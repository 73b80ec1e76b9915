"""The page of one entry: what it scores and why, what of it was checked, where it comes from, its videos."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from vis_bench.data.predictions import read_results
from vis_bench.errors import DataError, VisBenchError
from vis_bench.files import dump_json
from vis_bench.leaderboard.entries import CheckedRun, Entry
from vis_bench.metrics.temporal_errors import KINDS
from vis_bench.records.run import PREDICTIONS_NAME
from vis_bench.report.videos.viewed_runs import thresholds
from vis_bench.report.videos.viewer import ViewedRun, Viewer, build_viewer
from vis_bench.scoring.explain import explain_tracks
from vis_bench.scoring.statistics import ERROR_SETTING
from vis_bench.types import IouType

FRAMES_BYTES = 2_500_000
RUNS_BYTES = 4_000_000
"""Of the viewer on the page of one entry; a report has room for more."""

ABOUT_ERRORS = (
    f"Class-agnostic, tracks scored above {ERROR_SETTING[1]} in every entry, which need not be its "
    "operating point."
)


@dataclass(frozen=True, slots=True)
class Bar:
    """One line of a profile. text: its number as shown; share: 0..1, the length of its bar."""

    name: str
    text: str
    share: float


@dataclass(frozen=True, slots=True)
class Profile:
    """Why an entry scores what it scores. source: what it was made of. costly: names of videos with their
    cost."""

    source: str
    errors: tuple[Bar, ...]
    repairs: tuple[Bar, ...] = ()
    oracles: tuple[Bar, ...] = ()
    costly: tuple[Bar, ...] = ()


def entry_profile(entry: Entry) -> Profile:
    """The error profile of the first seed: all of it where its predictions were scored again, else what its
    record claims."""
    first = entry.runs[0]
    if first.truth is None or first.statistics is None:
        return _claimed(entry)
    kind = _iou_type(first)
    tracks = read_results(first.run.folder / PREDICTIONS_NAME, first.truth, iou_type=kind)
    try:
        found = explain_tracks(first.truth, tracks, kind, replicates=2)
    except DataError as error:
        return Profile(f"no profile: {error}", ())
    gains = {
        name.replace("_", " "): value for name, value in found["decomposition"]["AP"].items() if name != "AP"
    }
    oracles = {name: row["AP"] for name, row in found["oracles"].items()}
    return Profile(
        source=f"seed {first.record['seed']}, predictions scored again",
        errors=_error_bars(found["errors"]),
        repairs=_bars(gains, 100, "{:.1f} points"),
        oracles=_bars(oracles, 100, "{:.1f}", whole=1.0),
        costly=_bars({one["name"]: one["cost"] for one in found["costly_videos"][:8]}, 100, "{:.2f} points"),
    )


def _claimed(entry: Entry) -> Profile:
    metrics = entry.runs[0].record.get("metrics") or {}
    errors: Any = metrics.get("errors")
    for key in ERROR_SETTING:
        errors = errors.get(key) if isinstance(errors, Mapping) else None
    bars = _error_bars(errors) if isinstance(errors, Mapping) else ()
    return Profile("as claimed in the record, not checked here", bars)


def _error_bars(errors: Mapping[str, Any]) -> tuple[Bar, ...]:
    rates = {kind.replace("_", " "): errors.get(f"{kind}_per_100_frames") for kind in KINDS}
    return _bars(rates, 1, "{:.2f} per 100 object frames")


def _bars(
    values: Mapping[str, Any], factor: float, shown: str, whole: float | None = None
) -> tuple[Bar, ...]:
    known = {name: value for name, value in values.items() if isinstance(value, int | float)}
    largest = whole or max((abs(value) for value in known.values()), default=0.0) or 1.0
    return tuple(
        Bar(name, shown.format(factor * value), max(0.0, min(1.0, value / largest)))
        for name, value in known.items()
    )


def entry_viewer(entry: Entry) -> tuple[Viewer | None, str]:
    """The viewer of the seeds of an entry, or None and why there is none."""
    first = entry.runs[0]
    if first.truth is None:
        return None, "the data set is not here"
    if first.truth.image_root is None:
        return None, "the frames of the data set are not here"
    kind = _iou_type(first)
    runs = [
        ViewedRun(
            f"seed {run.record['seed']}", run.run.folder / PREDICTIONS_NAME, kind, thresholds(run.record)
        )
        for run in entry.runs
    ]
    try:
        return build_viewer(first.truth, runs, FRAMES_BYTES, RUNS_BYTES), ""
    except VisBenchError as error:
        return None, str(error)


def configuration_text(entry: Entry) -> str:
    """The configuration of an entry as JSON."""
    return dump_json(entry.runs[0].record["config_values"], indent=1)


def _iou_type(run: CheckedRun) -> IouType:
    return "bbox" if run.record["iou_type"] == "bbox" else "segm"
