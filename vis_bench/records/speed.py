"""What a measurement of speed leaves behind: one JSON file per method and scenario. Imports no torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from vis_bench.errors import DataError
from vis_bench.files import read_json, write_json
from vis_bench.records.run import DataIdentity, require_known_schema
from vis_bench.setup.config import config_hash

SCHEMA_VERSION = 1
SUFFIX = ".speed.json"
CURVE_SUFFIX = ".curve.json"
RULES = "speed-1"
"""Changes when the way of measuring changes, so that older numbers share no table with newer ones."""
FRAMES_MIN = 500
CUDA_FRAMES = 2000
"""Frames after which a repeat on a GPU ends, if its seconds have not passed before."""
P99_FRAMES_MIN = 1000

Scenario = Literal["stream", "offline"]
Precision = Literal["fp32", "tf32", "bf16", "fp16"]
CurveKind = Literal["length", "objects"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SpeedProtocol(_Strict):
    """Everything besides method, weights, data and machine that can change a number.

    precision: fp32 (no TF32), tf32, bf16 or fp16 (autocast, no TF32). compile: the backbone through
    torch.compile. frames: at least so many are timed in every repeat; short: fewer than a full measurement.

    The rest came later; at its default, which is how CPUs are measured, it is no part of the hash. seconds: a
    repeat also ends with the video with which its end-to-end pass has taken so long. warm_up_seconds,
    warm_up_frames: one video is shown until its time is stable, at least so long and so many frames; 0: every
    input shape once. pinned: frames lie in page-locked memory. end_to_end_only: without the passes `model
    only` and `with decoding`, whose seconds are 0.
    """

    rules: str = RULES
    scenario: Scenario
    device_kind: Literal["cpu", "cuda"]
    precision: Precision = "fp32"
    compile: bool = False
    threads: int = 1
    frames: int = FRAMES_MIN
    repeats: int = 3
    short: bool = False
    seconds: float | None = None
    warm_up_seconds: float = 0.0
    warm_up_frames: int = 0
    pinned: bool = False
    end_to_end_only: bool = False

    def values(self) -> dict[str, Any]:
        """Plain values, ready for JSON; without what came later and stands at its default."""
        fields = type(self).model_fields
        return {
            name: value
            for name, value in self.model_dump(mode="json").items()
            if name not in _ADDED_LATER or value != fields[name].default
        }

    def content_hash(self) -> str:
        """SHA-256 of all of it."""
        return config_hash(self.values())


_ADDED_LATER = frozenset({"seconds", "warm_up_seconds", "warm_up_frames", "pinned", "end_to_end_only"})
"""Fields whose default means what was done before they existed, so that older records keep their hash."""


class WarmUp(_Strict):
    """Before a repeat, one video again and again. seconds, frames, rounds: spent on it.

    stable: whether the time per frame had come to rest; last_change: by how much it still changed (0.02 is
    2 %). None without rounds enough to tell.
    """

    seconds: float
    frames: int
    rounds: int
    stable: bool | None
    last_change: float | None


class Percentiles(_Strict):
    """Milliseconds per frame. p99: only from 1,000 frames on."""

    p50: float
    p90: float
    p99: float | None = None


class Repeat(_Strict):
    """One process, its three passes over the same frames.

    seconds: of a whole pass (model_only: summed over frames). latency_ms, model_latency_ms: None for a method
    that returns whole tracks, in the scenario `offline`, and with one video only. harness_seconds: end to end
    less method, decoding and copies to the device. cpu_seconds: of all threads of the process during the
    end-to-end pass; on a CPU that other processes use too it says more than the wall time. queue_seconds: of
    that pass, ready but without a processor because of other programs; None where that is not known. frames:
    of one pass; None where every repeat has those of the record. memory: `peak_bytes` of the device that
    computes, on CUDA also `host_peak_bytes`. gpu_samples: NVML during the end-to-end pass.
    """

    end_to_end_seconds: float
    model_only_seconds: float
    with_decoding_seconds: float
    harness_seconds: float
    cpu_seconds: float | None = None
    queue_seconds: float | None = None
    latency_ms: Percentiles | None
    model_latency_ms: Percentiles | None
    look_ahead_frames: int
    memory: dict[str, Any]
    gpu_before: dict[str, Any] = Field(default_factory=dict)
    gpu_after: dict[str, Any] = Field(default_factory=dict)
    frames: int | None = None
    warm_up: WarmUp | None = None
    gpu_samples: dict[str, Any] = Field(default_factory=dict)


class Audit(_Strict):
    """One check of the measurement itself. ok: None when it could not be made; detail says what was found."""

    name: str
    ok: bool | None
    detail: str


class Stages(_Strict):
    """Exclusive seconds by stage in a pass of its own, and the wall time that they have to explain.

    explained: share of the wall time, below 0.98 `unaccounted` is flagged.
    """

    seconds: dict[str, float]
    unaccounted_seconds: float
    wall_seconds: float
    explained: float
    flagged: bool


class SpeedRecord(_Strict):
    """One method x data x speed protocol on one machine.

    weights: `random`, or where they come from. frames, videos: of one pass (videos: distinct), of the
    shortest repeat where time ends them. tracks_per_frame: masks or boxes that the timed run put out per
    frame; with random weights it may be 0, and then all that is done for objects was not measured. foreign,
    foreign_code, licence: of foreign code that was run here, as in a record of `run`; licence is empty in
    records that are older than the mark.
    """

    schema_version: int = SCHEMA_VERSION
    kind: Literal["speed"] = "speed"
    vis_bench_version: str
    method: str
    config: str
    title: str
    paradigm: str
    online: bool
    config_values: dict[str, Any]
    data: DataIdentity
    protocol: SpeedProtocol
    protocol_hash: str
    weights: str
    weights_hash: str | None = None
    status: Literal["done", "failed"]
    error: str | None = None
    error_code: int | None = None
    frames: int = 0
    videos: int = 0
    repeats: tuple[Repeat, ...] = ()
    tracks_per_frame: float | None = None
    stages: Stages | None = None
    audits: tuple[Audit, ...] = ()
    parameters: dict[str, int] | None = None
    macs_per_frame: int | None = None
    macs_frame: str | None = None
    macs_zero_operations: tuple[str, ...] = ()
    hardware: dict[str, Any] = Field(default_factory=dict)
    versions: dict[str, str] = Field(default_factory=dict)
    git: dict[str, Any] = Field(default_factory=dict)
    notes: tuple[str, ...] = ()
    foreign: bool = False
    foreign_code: str = ""
    licence: str = ""

    def variant(self) -> str:
        """`method@config`."""
        return f"{self.method}@{self.config}"


class CurvePoint(_Strict):
    """value: frames of the video, or annotated objects. frames: timed. memory: of that process."""

    value: int
    frames: int
    seconds_per_frame: float
    cpu_seconds_per_frame: float | None = None
    memory: dict[str, Any]
    tracks_per_frame: float


class CurveRecord(_Strict):
    """How the cost of one method grows. failed: what went wrong, by value. foreign, foreign_code, licence: as
    in `SpeedRecord`."""

    schema_version: int = SCHEMA_VERSION
    kind: Literal["curve"] = "curve"
    vis_bench_version: str
    method: str
    config: str
    title: str
    online: bool
    data: DataIdentity
    protocol: SpeedProtocol
    protocol_hash: str
    weights: str
    weights_hash: str | None = None
    curve: CurveKind
    points: tuple[CurvePoint, ...]
    failed: dict[str, str] = Field(default_factory=dict)
    hardware: dict[str, Any] = Field(default_factory=dict)
    versions: dict[str, str] = Field(default_factory=dict)
    git: dict[str, Any] = Field(default_factory=dict)
    notes: tuple[str, ...] = ()
    foreign: bool = False
    foreign_code: str = ""
    licence: str = ""

    def variant(self) -> str:
        """`method@config`."""
        return f"{self.method}@{self.config}"


_Schema = TypeVar("_Schema", SpeedRecord, CurveRecord)


def write_speed(path: Path, record: SpeedRecord | CurveRecord) -> None:
    """Write atomically."""
    write_json(path, record.model_dump(mode="json"))


def read_speed(path: Path) -> SpeedRecord:
    """Read one record. Raises DataError naming the field when it does not follow the schema."""
    return _read(path, SpeedRecord)


def read_curve(path: Path) -> CurveRecord:
    """Read one curve. Raises DataError naming the field when it does not follow the schema."""
    return _read(path, CurveRecord)


def _read(path: Path, schema: type[_Schema]) -> _Schema:
    payload = read_json(path)
    require_known_schema(path, payload)
    try:
        return schema.model_validate(payload)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"])) or "(top level)"
        raise DataError(f"{path}: not a speed record of vis-bench: {field}: {first['msg']}.") from None
