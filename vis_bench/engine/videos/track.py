"""Methods with given weights on videos without annotations: the work behind `vis-bench track`."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vis_bench import __version__
from vis_bench.data.catalog import class_names, known_datasets
from vis_bench.data.unlabelled import Source, as_dataset
from vis_bench.engine.foreign import tell
from vis_bench.engine.process.progress import Progress
from vis_bench.engine.results_spool import ResultsSpool
from vis_bench.engine.track import track_video
from vis_bench.engine.track_cap import cap_note, capped
from vis_bench.engine.videos.unfinished import Unfinished
from vis_bench.errors import DataError, UsageError
from vis_bench.files import dump_json, read_bytes, sha256
from vis_bench.method import MethodSpec
from vis_bench.records.run import RECORD_NAME, read_record
from vis_bench.setup.config import override, to_dict, value_of
from vis_bench.setup.frameworks import needs_weights
from vis_bench.setup.plugins import build_method, load_spec, split_variant
from vis_bench.setup.protocol import load_protocol, resolve_config
from vis_bench.types import Dataset, Track
from vis_bench.weights.load import load_exactly

PROTOCOL = "video"
REMEMBERED = 1000
"""Identities at once, for a method that would remember all: 8 MB of the widest embedding here, of 1,024
numbers. Runs set no such bound; no video of 100 frames with 10 detections a frame can reach it."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A method ready to track. label: for files and pages. look_ahead: measured while tracking."""

    label: str
    spec: MethodSpec
    config: Any
    weights: Path | None


def prepare(methods: Sequence[str], weights: Sequence[str], max_tracks: int | None) -> tuple[Prepared, ...]:
    """Every method with its configuration: the one named, else that of the record beside its weights.

    Raises UsageError for unknown names, another number of weights than methods, and two of one name;
    DataError for missing weights.
    """
    needing = needs_weights(methods)
    if len(needing) != len(weights):
        raise UsageError(
            f"--methods names {len(needing)} that need weights, --weights {len(weights)}: give --weights "
            "once for each, in order."
        )
    found = []
    files = iter(weights)
    for text in methods:
        if text not in needing:
            found.append(_with_own_weights(text, max_tracks))
            continue
        path = Path(next(files))
        if not path.is_file():
            raise DataError(f"{path}: no such checkpoint (--weights).")
        name, config_name = split_variant(text)
        spec = load_spec(name)
        beside = path.parent / RECORD_NAME
        record = read_record(beside) if beside.is_file() else None
        if config_name is None and record is not None and record.method == spec.info.name:
            chosen, config = resolve_config(spec, record.config, load_protocol(PROTOCOL), ())
            config = override(config, record.overrides, skip_unknown=True)
        else:
            chosen, config = resolve_config(spec, config_name, load_protocol(PROTOCOL), ())
        found.append(Prepared(f"{spec.info.name}@{chosen}", spec, _bounded(config, spec, max_tracks), path))
    labels = [one.label for one in found]
    if len(set(labels)) < len(labels):
        raise UsageError(f"{', '.join(labels)}: a method is named twice; their files would have one name.")
    return tuple(found)


def _with_own_weights(text: str, max_tracks: int | None) -> Prepared:
    """A method that brings its weights."""
    spec = load_spec(text)
    if spec.foreign is not None and spec.foreign.prompt:
        raise UsageError(
            f"{text}: these videos have no truth to prompt with. Name a detector: --prompt hf:PATH."
        )
    chosen, config = resolve_config(spec, None, load_protocol(PROTOCOL), ())
    return Prepared(f"{spec.info.name}@{chosen}", spec, _bounded(config, spec, max_tracks), None)


def _bounded(config: Any, spec: MethodSpec, max_tracks: int | None) -> Any:
    """The configuration under `--max-tracks`, with a bound on what is remembered where it has none."""
    config = capped(config, spec, max_tracks)
    if spec.identity_cap is None or value_of(config, spec.identity_cap) is not None:
        return config
    return override(config, {spec.identity_cap: REMEMBERED})


def classes_of(given: str | None, prepared: Sequence[Prepared]) -> tuple[str, ...]:
    """Class names: of the file or data set given, else those of the data in the record beside the weights.

    A file has one name a line. Raises UsageError where neither is there, DataError for an empty file.
    """
    if given is not None:
        if given in known_datasets():
            return class_names(given)
        lines = read_bytes(Path(given)).decode("utf-8", "replace").splitlines()
        names = tuple(line.strip() for line in lines if line.strip())
        if not names or len(set(names)) < len(names):
            raise DataError(f"{given}: one class name a line is needed, each once; found {len(names)}.")
        return names
    for one in prepared:
        if one.spec.foreign is not None and one.spec.foreign.class_names:
            return one.spec.foreign.class_names
        if one.weights is None:
            continue
        beside = one.weights.parent / RECORD_NAME
        if not beside.is_file():
            continue
        record = read_record(beside)
        if record.dataset in known_datasets():
            return class_names(record.dataset)
        names = tuple((record.metrics or {}).get("per_category") or {})
        if names:
            return names
    raise UsageError(
        "--classes FILE (one class name a line) or --classes DATASET is needed: the checkpoint does not say "
        "which "
        "classes it was trained on."
    )


def request_of(
    prepared: Sequence[Prepared], sources: Sequence[Source], classes: Sequence[str], device: str
) -> dict[str, Any]:
    """Everything that decides the results, as JSON holds it: equal where unfinished work may be continued."""
    methods = [
        {
            "label": one.label,
            "config": to_dict(one.config),
            "weights": None if one.weights is None else sha256(read_bytes(one.weights)),
        }
        for one in prepared
    ]
    videos = [
        {"name": source.video.name, "path": str(source.path.resolve()), "files": _file_facts(source)}
        for source in sources
    ]
    request = {"version": __version__, "device": device, "classes": list(classes)}
    found: dict[str, Any] = json.loads(dump_json({**request, "methods": methods, "videos": videos}))
    return found


def _file_facts(source: Source) -> list[list[int]]:
    """Size in bytes and time of change in ns of the file or of every frame."""
    facts = [path.stat() for path in source.files or (source.path,)]
    return [[fact.st_size, fact.st_mtime_ns] for fact in facts]


def track_sources(
    one: Prepared,
    sources: Sequence[Source],
    classes: Sequence[str],
    device: str,
    progress: Progress,
    spool: ResultsSpool,
    unfinished: Unfinished,
) -> tuple[list[Track], int, list[str]]:
    """(tracks, look-ahead in frames, sentences on what was cut) of one method.

    Frames are read one at a time and handed over; the results of an on-line method go into the spool, which
    has to be open as long as masks of the tracks are looked at. Videos that are done are taken from the
    unfinished work, the others kept there. Tracks stand video by video, the best first.
    Raises MethodError for weights that do not fit and for a method that breaks its contract.
    """
    dataset = as_dataset(sources, classes)
    model = build_method(one.spec, one.config, len(classes)).to(device)
    if one.weights is not None:
        load_exactly(model, one.weights, one.spec, one.config, classes, to_dict(one.config))
    model.eval()
    notes = list(tell(model, dataset))
    tracks: list[Track] = []
    ahead = 0
    for source in sources:
        done = unfinished.tracks(one.label, source, classes)
        if done is None:
            pictures = _counted(source, progress)
            kind = one.spec.info.iou_type
            outcome = track_video(model, dataset, source.video, device, kind, pictures=pictures, spool=spool)
            done = sorted(outcome.tracks, key=lambda track: -track.score), outcome.look_ahead_frames
            unfinished.keep(one.label, source, *done)
        tracks += done[0]
        ahead = max(ahead, done[1])
    said = (cap_note(one.spec, one.config, dataset, tracks), _forgotten_note(one, dataset, tracks))
    return tracks, ahead, [*notes, *(note for note in said if note is not None)]


def _forgotten_note(one: Prepared, dataset: Dataset, tracks: Sequence[Track]) -> str | None:
    """A sentence where a video has more tracks than are remembered at once, else None."""
    if one.spec.identity_cap is None:
        return None
    most = value_of(one.config, one.spec.identity_cap)
    counts = Counter(track.video_id for track in tracks)
    reached = [video.name for video in dataset.videos if counts[video.id] > most]
    if not reached:
        return None
    return (
        f"{', '.join(reached)}: more than {most} identities ({one.spec.identity_cap}); the ones seen last "
        "were remembered, so that memory does not grow. An object that comes back after the others is new."
    )


def _counted(source: Source, progress: Progress) -> Iterator[np.ndarray]:
    for number, picture in enumerate(source.frames(), start=1):
        yield picture
        progress(f"track {source.video.name}", number, source.video.length)
