"""A baseline: a folder of finished runs with a file that says what is checked on each."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from vis_bench.data import splits
from vis_bench.data.frame_predictions import FRAMES_NAME
from vis_bench.data.remembered_truth import TRUTH_NAME, carry_memory, open_told_truth
from vis_bench.errors import DataError, UsageError
from vis_bench.files import file_name, inside, read_json, write_json
from vis_bench.gate.swap import BASELINE_NAME, RUN_FILES, recover, replaced, require_only_a_baseline
from vis_bench.records.columns import MOT_NAMES, MOT_THRESHOLD, VIDEO_AP_NAMES
from vis_bench.records.run import PREDICTIONS_NAME, RECORD_NAME, DataIdentity, Record, read_record
from vis_bench.setup.plugins import load_spec
from vis_bench.types import Dataset

VERSION = 1
# what the gate is for: a record without one of these would pass as one in which nothing changed
_CHECKED = (
    *(("video_ap", name) for name in VIDEO_AP_NAMES),
    *(("frame_ap", name) for name in ("AP", "AP50")),
    *(("mot", "class_agnostic", MOT_THRESHOLD, name) for name in MOT_NAMES),
    *(("hota", "class_agnostic", MOT_THRESHOLD, name) for name in ("HOTA", "DetA", "AssA", "LocA")),
)


class BaselineRun(BaseModel):
    """folder: below the baseline. dataset: name or path to open; split: of it. tiers: some of 1, 2, 3."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    folder: str
    dataset: str
    split: str
    tiers: tuple[Literal[1, 2, 3], ...] = Field(min_length=1)


class BaselineFile(BaseModel):
    """The content of baseline.json. margins: points by metric, for tier 3."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: int
    runs: tuple[BaselineRun, ...]
    margins: dict[str, float] = Field(default={"AP": 0.5}, min_length=1)


@dataclass(frozen=True, slots=True)
class StoredRun:
    """A run directory with its record, and how its dataset is opened."""

    folder: Path
    record: Record
    dataset: str
    split: str
    tiers: tuple[int, ...] = ()

    @property
    def name(self) -> str:
        """`method@config seed n`."""
        return f"{self.record.variant()} seed {self.record.seed}"

    def open(self, data_root: Path | None = None) -> Dataset:
        """The videos that the record is about. Raises DataError when the dataset on disk is another one."""
        return open_recorded(self.record.data, self.dataset, self.split, data_root, self.folder)


def open_recorded(
    identity: DataIdentity,
    dataset: str,
    split: str,
    data_root: Path | None = None,
    folder: Path | None = None,
) -> Dataset:
    """Open a dataset and check that it is the recorded one; a run with --limit has its first videos.

    dataset: name or path; where it is the name of the record, the run directory `folder` may remember the
    place. Raises DataError when annotations or videos differ, for a split without public truth, and for a
    data set that is nowhere.
    """
    whole = open_told_truth(
        identity.name,
        split,
        identity.annotation_hash,
        told=None if dataset == identity.name else dataset,
        folders=() if folder is None else [folder],
        data_root=data_root,
    )
    # the name of the split is no part of its hash
    part = splits.first_videos(whole, identity.videos)
    if whole.annotation_hash != identity.annotation_hash or part.split_hash != identity.split_hash:
        raise DataError(
            f"{dataset} {split} is not the data of the record ({identity.name} {identity.split}, "
            f"{identity.videos} videos): other annotations or other videos."
        )
    if part.tracks is None:
        raise DataError(f"{dataset} {split} has no public truth, so nothing can be scored.")
    return part


def read_baseline(folder: Path) -> tuple[BaselineFile, tuple[StoredRun, ...]]:
    """Read a baseline. Raises DataError when it is missing or malformed, or a run is not a scored one."""
    recover(folder)
    path = folder / BASELINE_NAME
    if not path.is_file():
        raise DataError(
            f"{folder}: is no baseline, it has no {BASELINE_NAME}. Make one: "
            "vis-bench gate --make BASELINE RUN_DIR..."
        )
    try:
        content = BaselineFile.model_validate(read_json(path))
    except ValidationError as error:
        first = error.errors()[0]
        raise DataError(f"{path}: {'.'.join(map(str, first['loc']))}: {first['msg']}.") from None
    if content.version != VERSION or not content.runs:
        raise DataError(f"{path}: version {VERSION} with at least one run is needed.")
    return content, tuple(
        _stored(inside(folder, run.folder, path), run.dataset, run.split, run.tiers) for run in content.runs
    )


def make_baseline(
    folder: Path, run_dirs: Sequence[Path], dataset: str | None = None
) -> tuple[BaselineFile, tuple[StoredRun, ...]]:
    """Copy record, predictions and stored detections of finished runs into a baseline, or renew it.

    dataset: name or path to open, None for the one in the record. Tier 2 is for runs with stored detections
    of a method with an association rule. Returns the baseline as read back. Raises UsageError when the folder
    holds something else, when no run or the same run twice is given or a method with stored detections is not
    installed; DataError for a run that was not scored. Then a baseline that is there stays as it was.
    """
    if not run_dirs:
        raise UsageError("--make needs at least one run directory: vis-bench gate --make BASELINE RUN_DIR...")
    recover(folder)
    if folder.exists() and not (folder / BASELINE_NAME).exists() and any(folder.iterdir()):
        raise UsageError(f"{folder}: is not empty and no baseline. Name a new folder.")
    given = [_stored(path, "", "") for path in run_dirs]
    names = [file_name(run.name.replace(" ", "-")) for run in given]
    if len(set(names)) < len(names):
        raise UsageError(f"The same method, configuration and seed is given twice: {', '.join(names)}.")
    margins, old = {"AP": 0.5}, list[str]()
    if (folder / BASELINE_NAME).exists():
        before, _ = read_baseline(folder)
        margins, old = before.margins, [run.folder for run in before.runs]
    require_only_a_baseline(folder, old)
    entries = [_entry(name, run, dataset) for name, run in zip(names, given, strict=True)]
    content = BaselineFile(version=VERSION, runs=tuple(entries), margins=margins)
    with replaced(folder) as new:
        for name, run in zip(names, given, strict=True):
            (new / name).mkdir()
            for file in RUN_FILES:
                if file != TRUTH_NAME and (run.folder / file).exists():
                    shutil.copyfile(run.folder / file, new / name / file)
            carry_memory(run.folder, new / name)
        write_json(new / BASELINE_NAME, content.model_dump(mode="json"))
    return read_baseline(folder)


def _entry(name: str, run: StoredRun, dataset: str | None) -> BaselineRun:
    # what was made elsewhere, or by foreign code, is neither trained nor associated again here
    foreign = run.record.foreign
    has_frames = not foreign and (run.folder / FRAMES_NAME).exists()
    has_rule = has_frames and load_spec(run.record.method).associate is not None
    return BaselineRun(
        folder=name,
        dataset=dataset or run.record.dataset,
        split=run.record.split,
        tiers=(1,) if foreign else (1, 2, 3) if has_rule else (1, 3),
    )


def _stored(folder: Path, dataset: str, split: str, tiers: tuple[int, ...] = ()) -> StoredRun:
    record = read_record(folder / RECORD_NAME)
    if not record.metrics:
        raise DataError(f"{folder}: this run has no numbers (status {record.status}).")
    if not (folder / PREDICTIONS_NAME).is_file():
        raise DataError(f"{folder}: has no {PREDICTIONS_NAME}.")
    for path in _CHECKED:
        if not _holds(record.metrics, path):
            raise DataError(
                f"{folder / RECORD_NAME}: has no number metrics.{'.'.join(path)}, so that nothing could be "
                "compared with it. Score the run again, or make the baseline of a whole record."
            )
    return StoredRun(folder, record, dataset, split, tiers)


def _holds(metrics: object, path: Sequence[str]) -> bool:
    """Whether a number, or null for one that is undefined, stands at this place of a record."""
    value = metrics
    for key in path:
        if not isinstance(value, Mapping) or key not in value:
            return False
        value = value[key]
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))
