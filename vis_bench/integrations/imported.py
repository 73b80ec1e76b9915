"""Predictions that were made elsewhere, as a record: `vis-bench import`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import vis_bench
from vis_bench.cache import from_home
from vis_bench.data import catalog
from vis_bench.data.given_truth import with_truth
from vis_bench.data.predictions import write_results
from vis_bench.data.remembered_truth import remember_truth
from vis_bench.data.ytvis import write_annotations
from vis_bench.engine.process.environment import package_versions
from vis_bench.errors import UsageError, VisBenchError
from vis_bench.files import dump_json, sha256
from vis_bench.integrations.formats.opened import find
from vis_bench.integrations.formats.scored import open_truth_file, read_predictions_file
from vis_bench.records.keys import NO_PROTOCOL
from vis_bench.records.run import (
    PREDICTIONS_NAME,
    RECORD_NAME,
    DataIdentity,
    OperatingPoint,
    Record,
    Timing,
    read_record,
    write_record,
)
from vis_bench.scoring.evaluate import evaluate
from vis_bench.scoring.files import parse_iou_type
from vis_bench.types import Dataset

CONFIG = "imported"
PARADIGM = "not stated"
TRUTH_FOLDER = "truth"


def _nowhere(text: str) -> None:
    """Say nothing."""


@dataclass(frozen=True, slots=True)
class Imported:
    """folder: the run directory. cached: it was there already, from the same predictions and truth."""

    record: Record
    folder: Path
    cached: bool


def import_predictions(
    file: str | Path,
    name: str,
    *,
    paradigm: str = PARADIGM,
    seed: int = 0,
    dataset: str | None = None,
    split: str | None = None,
    truth: str | Path | None = None,
    out: str | Path = "runs",
    format: str | None = None,
    iou_type: str = "segm",
    track_seconds: float | None = None,
    hardware: str | None = None,
    data_root: str | Path | None = None,
    say: Callable[[str], object] = _nowhere,
) -> Imported:
    """Score predictions of any format and keep them as a run of the method `name`, marked as foreign.

    file: predictions (docs/formats.md). paradigm: any words, for the tables. dataset, split: a data set by
    name or path; truth: a file of truth, alone or for the videos of that split. Truth in another format than
    YouTube-VIS is converted into `out/truth`, since later commands open it again; the run directory remembers
    where truth that has no name lies (data/remembered_truth.py). track_seconds, hardware:
    how long tracking took in all and on what, where that is known; both or neither. say: takes what was
    recognised, left out, and written.

    A split without truth gives a record without numbers. The same predictions are imported once. Raises
    UsageError (exit code 2) for options that do not go together, DataError (3) for files that do not fit.
    """
    if not name or "/" in name or "\\" in name or "@" in name or "[" in name or not name.isprintable():
        raise UsageError(f"--name {name!r}: one word for the tables, without / \\ @ or [.")
    if not paradigm.strip():
        raise UsageError("--paradigm: may not be empty.")
    if (track_seconds is None) != (hardware is None):
        raise UsageError(
            "--track-seconds and --hardware go together: seconds say nothing without the machine."
        )
    if track_seconds is not None and not 0 < track_seconds < float("inf"):
        raise UsageError(f"--track-seconds {track_seconds}: a number of seconds above 0 is needed.")
    kind = parse_iou_type(iou_type)
    place = None if data_root is None else Path(data_root)
    if dataset is None and truth is None:
        raise UsageError("Give the truth either as --truth FILE or as --dataset NAME [--split S].")
    if dataset is None and split is not None:
        raise UsageError("--split goes with --dataset.")
    truth_file, is_new = None, False
    if truth is not None:
        truth_file, is_new = _in_our_format(Path(truth), Path(out) / TRUTH_FOLDER, say)
    try:
        opened = _open(dataset, split, truth_file, place)
        tracks = read_predictions_file(Path(file), opened, iou_type=kind, named=format, say=say)
    except VisBenchError:
        if is_new and truth_file is not None:
            truth_file.unlink()  # nothing was imported for it
        raise
    identity = DataIdentity(
        name=opened.name,
        split=opened.split,
        annotation_hash=opened.annotation_hash,
        split_hash=opened.split_hash,
        videos=len(opened.videos),
    )
    source = find(Path(file), format)
    text_hash = source.text_hash
    what = {"file": text_hash, "data": identity.model_dump(), "name": name, "seed": seed, "kind": kind}
    run_hash = sha256(dump_json(what).encode())
    folder = (
        Path(out)
        / f"{Path(opened.name).name}-{opened.split}"
        / NO_PROTOCOL
        / (f"{name}-seed-{seed}-{run_hash[:8]}")
    )
    told = truth_file
    if told is None and dataset is not None and dataset not in catalog.known_datasets():
        told = from_home(dataset)
    if (folder / RECORD_NAME).is_file():
        if told is not None:
            # it may have moved since
            remember_truth(folder, told, opened)
        return Imported(read_record(folder / RECORD_NAME), folder, cached=True)
    scored = opened.tracks is not None
    notes = [f"imported from {Path(file).name} ({source.format.title}, {text_hash[:8]})"]
    if not scored:
        notes.append(f"the truth of split {opened.split!r} is not public: predictions kept, nothing scored")
    if not tracks:
        notes.append("there are no predictions")
    write_results(folder / PREDICTIONS_NAME, tracks)
    metrics = evaluate(opened, tracks, iou_type=kind, label="scoring") if scored else None
    record = Record(
        vis_bench_version=vis_bench.__version__,
        run_hash=run_hash,
        method=name,
        config=CONFIG,
        title=name,
        paradigm=paradigm.strip(),
        online=None,
        paper="not stated",
        licence="not stated",
        config_values={},
        dataset=opened.name,
        split=opened.split,
        data=identity,
        train_data=None,
        protocol=NO_PROTOCOL,
        protocol_hash=NO_PROTOCOL,
        seed=seed,
        axis_seeds={},
        iou_type=kind,
        status="done" if scored else "not scored",
        metrics=metrics,
        operating_point=OperatingPoint.of(metrics) if metrics else None,
        timing=Timing()
        if track_seconds is None
        else Timing(track_seconds=track_seconds, frames=sum(video.length for video in opened.videos)),
        hardware={} if hardware is None else {"gpu": hardware},
        versions=package_versions(),
        notes=tuple(notes),
        foreign=True,
    )
    if told is not None:
        remember_truth(folder, told, opened)
    write_record(folder, record)
    return Imported(record, folder, cached=False)


def _open(name: str | None, split: str | None, file: Path | None, data_root: Path | None) -> Dataset:
    """The data that the predictions are about: a data set, a file of truth, or the one with the other."""
    if name is None:
        assert file is not None
        return catalog.open_dataset(file)
    opened = catalog.open_dataset(name, split or catalog.default_split(name), data_root)
    return opened if file is None else with_truth(opened, file)


def _in_our_format(truth: Path, folder: Path, say: Callable[[str], object]) -> tuple[Path, bool]:
    """The truth as a YouTube-VIS file: itself, or a converted copy in `folder`; and whether that is new."""
    if find(truth).format.name in ("ytvis", "ytvis-results"):
        return truth, False
    opened = open_truth_file(truth, say)
    copy = folder / f"{truth.name}-{opened.annotation_hash[:8]}.json"
    is_new = not copy.is_file()
    if is_new:
        write_annotations(copy, opened)
    say(f"truth      {copy} (converted; later commands find it there)")
    return copy, is_new
