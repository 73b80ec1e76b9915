"""What a run leaves behind: one directory with one JSON record, predictions, log and checkpoint.

A record says everything that makes two numbers comparable. Tables are made from records only.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from vis_bench.errors import DataError
from vis_bench.files import read_json, write_json
from vis_bench.records.soundness import unsound

SCHEMA_VERSION = 1
RECORD_NAME = "record.json"
PREDICTIONS_NAME = "predictions.json.gz"
CHECKPOINT_NAME = "checkpoint.safetensors"
LOG_NAME = "train.jsonl"

Status = Literal["done", "not scored", "failed"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DataIdentity(_Strict):
    """Which videos a number is about. Hashes as in `vis_bench.types.Dataset`."""

    name: str
    split: str
    annotation_hash: str
    split_hash: str
    videos: int


class Timing(_Strict):
    """Wall-clock seconds; not a speed measurement under a protocol.

    Tracking was on the machine of `Record.hardware`; weights may come from another one. train_devices: names
    of what trained, in order; empty where nothing was trained, and in records that do not say.
    """

    train_seconds: float | None = None
    train_devices: tuple[str, ...] = ()
    track_seconds: float | None = None
    frames: int | None = None


class Start(_Strict):
    """The weights that a model started from.

    sha256: of the file. source: a few words of what it is. loaded: tensors taken from it, of all tensors of
    the model (parameters and buffers). missing: names of those that were not.
    """

    sha256: str
    source: str
    loaded: int
    of: int
    missing: tuple[str, ...] = ()


class ImageStageFacts(_Strict):
    """The image stage that a run started from: whose, on what, how many source images and frames it saw.

    A pair that is made from one image counts as one image and two frames. seconds: of its training, which is
    no part of `Timing.train_seconds`.
    """

    name: str
    key: str
    data: str
    images: int
    frames: int
    seconds: float | None = None


class OperatingPoint(_Strict):
    """The score threshold of the numbers under `metrics.operating_point`; predictions above it are kept.

    thresholds: one for all videos, or those that are best on the first and on the second half, each of which
    is scored at that of the other. metric: what was the best there. source: where it was chosen.
    """

    thresholds: tuple[float, ...] = Field(min_length=1, max_length=2)
    metric: Literal["IDF1"] = "IDF1"
    source: Literal["val", "cross-fit", "same videos"]

    @classmethod
    def of(cls, metrics: Mapping[str, Any]) -> OperatingPoint:
        """What a record says of numbers as `scoring.evaluate` returns them."""
        return cls(**{name: metrics["operating_point"][name] for name in cls.model_fields})


class Record(_Strict):
    """One method x dataset x protocol x seed.

    metrics: the machine contract of `scoring.evaluate`, None unless status is `done`. overrides: values set
    by hand with --set. look_ahead_frames: frames beyond t that were read before the result of frame t, at
    most over all videos. error_code: exit code of the error of a failed run (3 data, 4 the method).
    precision: word of --precision that it was trained and tracked with. initial_weights: SHA-256 of the file
    given by hand. start: what of a file or of an image stage it started from. image_stage: None where it
    started from none. frames_seen: frames given to `losses()` in the training on videos, over all phases;
    frames_with_detection_loss: those of them on which objects had to be found; None where nothing was
    trained, and in records that do not say. operating_point: None in records that were made before there was
    one, and where nothing was scored. foreign: predictions that were made elsewhere and imported; nothing is
    known of their training, `online` is None, and the protocol is `none`; or those of foreign code that was
    run here on weights as given, which `foreign_code` names in words. prompt: what a method was told of the
    objects beforehand, "" for nothing; prompted runs have tables of their own. study: SHA-256 of the study
    file that asked for the run, "" for options of the command line; it is no part of what makes numbers
    comparable. without_deterministic_kernel: operations that the training used on a GPU and that have no
    deterministic kernel there, so that the same training ends with other bytes; empty on CPUs.
    """

    schema_version: int = SCHEMA_VERSION
    vis_bench_version: str
    run_hash: str
    method: str
    config: str
    title: str
    paradigm: str
    online: bool | None
    paper: str
    licence: str
    config_values: dict[str, Any]
    overrides: dict[str, Any] = Field(default_factory=dict)
    dataset: str
    split: str
    data: DataIdentity
    train_data: DataIdentity | None
    extra_data: DataIdentity | None = None
    protocol: str
    protocol_hash: str
    not_from_a_paper: str = ""
    precision: str = "fp32"
    without_deterministic_kernel: tuple[str, ...] = ()
    seed: int
    axis_seeds: dict[str, int]
    iou_type: Literal["segm", "bbox"] = "segm"
    status: Status
    error: str | None = None
    error_code: int | None = None
    metrics: dict[str, Any] | None = None
    operating_point: OperatingPoint | None = None
    timing: Timing = Timing()
    look_ahead_frames: int | None = None
    parameters: dict[str, int] | None = None
    checkpoint_hash: str | None = None
    initial_weights: str | None = None
    start: Start | None = None
    image_stage: ImageStageFacts | None = None
    frames_seen: int | None = None
    frames_with_detection_loss: int | None = None
    hardware: dict[str, Any] = Field(default_factory=dict)
    versions: dict[str, str] = Field(default_factory=dict)
    git: dict[str, Any] = Field(default_factory=dict)
    notes: tuple[str, ...] = ()
    foreign: bool = False
    foreign_code: str = ""
    prompt: str = ""
    study: str = ""

    def variant(self) -> str:
        """`method@config`."""
        return f"{self.method}@{self.config}"


def write_record(directory: Path, record: Record) -> Path:
    """Write `record.json` atomically."""
    path = directory / RECORD_NAME
    write_json(path, record.model_dump(mode="json"))
    return path


def require_known_schema(path: Path, payload: object) -> None:
    """Raise DataError for a record of another schema: of a field it may mean something else than is known."""
    version = payload.get("schema_version", SCHEMA_VERSION) if isinstance(payload, dict) else SCHEMA_VERSION
    if version != SCHEMA_VERSION:
        raise DataError(
            f"{path}: has schema version {version!r}, this vis-bench reads {SCHEMA_VERSION}. Read it with "
            "the version that wrote it (vis_bench_version in the file)."
        )


def read_record(path: Path) -> Record:
    """Read one record. Raises DataError naming the field when it does not follow the schema, and for another
    version of the schema.
    """
    payload = read_json(path)
    require_known_schema(path, payload)
    try:
        record = Record.model_validate(payload)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"])) or "(top level)"
        raise DataError(f"{path}: not a vis-bench record: {field}: {first['msg']}.") from None
    problem = None if record.metrics is None else unsound(record.metrics)
    if problem is not None:
        raise DataError(f"{path}: not a vis-bench record: metrics: {problem}. Score the run again.")
    return record


def find_records(places: Iterable[Path]) -> list[Path]:
    """All `record.json` files at or below the given places, sorted. Raises DataError for a missing place."""
    found: set[Path] = set()
    for place in places:
        if place.is_file():
            found.add(place)
        elif place.is_dir():
            found.update(place.rglob(RECORD_NAME))
        else:
            raise DataError(f"{place}: no such file or folder (a run directory or record.json is needed).")
    return sorted(found)
