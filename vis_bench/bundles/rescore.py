"""The claims of a bundled run beside what its predictions give: every number, caps, look-ahead."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from vis_bench.bundles.opened import OpenedRun
from vis_bench.data import catalog, splits
from vis_bench.data.given_truth import with_truth
from vis_bench.data.predictions import read_results
from vis_bench.errors import DataError, NotComparableError, VisBenchError
from vis_bench.records.equal import same
from vis_bench.records.run import PREDICTIONS_NAME, Record
from vis_bench.scoring.evaluate import measure, score
from vis_bench.scoring.operating_point import recorded
from vis_bench.scoring.statistics import Statistics
from vis_bench.setup.plugins import load_spec, method_names
from vis_bench.types import Dataset, Track

Verdict = Literal["equal", "differs", "not claimed"]


@dataclass(frozen=True, slots=True)
class Number:
    """One claim of a bundle. name: `RUN: NUMBER`. claimed, found: numbers, words, or None where undefined."""

    name: str
    claimed: Any
    found: Any
    verdict: Verdict


def statistics_of(run: OpenedRun, truth: Dataset) -> Statistics:
    """What the predictions of a run give on this truth. Raises DataError for ones that do not fit the
    videos."""
    point = recorded(run.record.model_dump(mode="json"), truth)
    # what other videos chose is held fixed; these videos choose again by themselves
    chosen = point if point is not None and point.source == "val" else None
    return measure(truth, _tracks(run, truth), iou_type=run.record.iou_type, at=chosen)


def _tracks(run: OpenedRun, truth: Dataset) -> list[Track]:
    return read_results(run.folder / PREDICTIONS_NAME, truth, iou_type=run.record.iou_type)


def numbers_of(run: OpenedRun, truth: Dataset, statistics: Statistics | None = None) -> list[Number]:
    """Every number that a record claims beside the one that its predictions give on this truth.

    A run that claims none (the truth was hidden) has all of them as `not claimed`. statistics: of
    `statistics_of`, where they are known. Raises DataError for predictions that do not fit the videos.
    """
    record = run.record
    found = score(statistics or statistics_of(run, truth))
    claimed = dict(record.metrics or {})
    if claimed:
        pairs = list(_pairs(claimed, found))
    else:
        pairs = [(name, None, value) for name, value in _leaves(found)]
    if record.operating_point is not None:
        said = list(record.operating_point.thresholds)
        there = found.get("operating_point", {}).get("thresholds", ())
        pairs.append(("operating point of the record", said, list(there)))
    named = [
        Number(f"{run.name}: {name}", old, new, _verdict(old, new, bool(claimed))) for name, old, new in pairs
    ]
    return [*named, *claims_of(run, _tracks(run, truth))]


def claims_of(run: OpenedRun, tracks: Sequence[Track]) -> list[Number]:
    """What a record says beside its numbers and its files can show: caps and look-ahead."""
    record = run.record
    result = []
    cap = _cap(record)
    if cap is not None:
        allowed, kind = cap
        most = _most_tracks(tracks, kind)
        verdict: Verdict = "equal" if most <= allowed else "differs"
        result.append(Number(f"{run.name}: tracks of a {kind}, at most", allowed, most, verdict))
    if record.online is not None and record.look_ahead_frames is not None:
        # an on-line method has read nothing beyond the frame that it answers
        most = 0 if record.online else record.look_ahead_frames
        kind = "on-line" if record.online else "off-line"
        verdict = "equal" if record.look_ahead_frames <= most else "differs"
        name = f"{run.name}: look-ahead in frames ({kind})"
        result.append(Number(name, most, record.look_ahead_frames, verdict))
    return result


def open_truth_of(record: Record, truth: Path | None, dataset: str | None, data_root: Path | None) -> Dataset:
    """The videos and truth that a record is about, from a file or by the name in the record.

    Raises DataError where the truth is not here or is hidden, NotComparableError where what is here is not
    what the record was scored on.
    """
    data = record.data
    name = dataset or record.dataset
    try:
        if truth is None:
            opened = catalog.open_recorded(name, record.split, data.annotation_hash, data_root, data.name)
        elif record.status == "not scored":
            opened = _hidden_with(record, name, truth, data_root)
        else:
            opened = catalog.open_recorded(
                str(truth), record.split, data.annotation_hash, data_root, data.name
            )
    except VisBenchError as error:
        raise DataError(
            f"the truth of {record.dataset} {record.split} is needed to score {record.variant()} again: "
            f"{error} "
            "Name a file of it with --truth, or its folder with --data-root."
        ) from None
    if opened.split_hash != data.split_hash and data.videos < len(opened.videos):
        # a run with --limit scored the first videos
        opened = splits.first_videos(opened, data.videos)
    if record.status != "not scored" and opened.annotation_hash != data.annotation_hash:
        raise NotComparableError(
            f"{truth or name}: is not the truth that {record.variant()} was scored on: its annotations have "
            "the "
            f"hash {opened.annotation_hash[:8]}, those of the record {data.annotation_hash[:8]}."
        )
    if opened.split_hash != data.split_hash:
        raise NotComparableError(
            f"{truth or name}: has other videos ({len(opened.videos)}) than {record.variant()} was scored on "
            f"({data.videos}); the list of names has the hash {opened.split_hash[:8]}, that of the record "
            f"{data.split_hash[:8]}."
        )
    if opened.tracks is None:
        raise DataError(
            f"{record.dataset} {record.split} has no public truth, so {record.variant()} cannot be scored. "
            "Give "
            "truth that you have with --truth FILE."
        )
    return opened


def _hidden_with(record: Record, name: str, truth: Path, data_root: Path | None) -> Dataset:
    """A split whose truth was hidden from the run, with truth that its owner has."""
    try:
        split = catalog.open_dataset(name, record.split, data_root)
    except VisBenchError:
        return catalog.open_recorded(str(truth), record.split, record.data.annotation_hash, data_root, name)
    return with_truth(split, truth)


def _pairs(claimed: Mapping[str, Any], found: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """Every number of a record, and what was found in its place; numbers that it does not have are no
    claims."""
    there = dict(_leaves(found))
    for name, value in _leaves(claimed):
        yield name, value, there.get(name, "not computed")


def _leaves(value: Any, where: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _leaves(inner, f"{where}.{key}" if where else str(key))
    else:
        yield where, value


def _verdict(claimed: Any, found: Any, is_claim: bool) -> Verdict:
    if not is_claim:
        return "not claimed"
    return "equal" if same(claimed, found) else "differs"


def _cap(record: Record) -> tuple[int, str] | None:
    """(most tracks, `video` or `frame`) of a method that is installed here and says so; else None."""
    if record.foreign or record.method not in method_names():
        return None
    cap = load_spec(record.method).track_cap
    if cap is None:
        return None
    value: Any = record.config_values
    for part in cap[0].split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return (value, cap[1]) if isinstance(value, int) and not isinstance(value, bool) else None


def _most_tracks(tracks: Sequence[Track], kind: str) -> int:
    """The most tracks that any video, or any frame, has."""
    found: Counter[Any] = Counter()
    for track in tracks:
        if kind == "video":
            found[track.video_id] += 1
            continue
        regions = zip(track.segmentations, track.boxes or track.segmentations, strict=True)
        found.update((track.video_id, frame) for frame, pair in enumerate(regions) if any(pair))
    return max(found.values(), default=0)
