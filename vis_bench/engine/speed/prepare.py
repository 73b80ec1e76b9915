"""What a call of `speed` measures: names and options checked, plans made, and the measurement itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast, get_args

from vis_bench.data import catalog
from vis_bench.engine.process.devices import choose_devices
from vis_bench.engine.process.environment import require_torch
from vis_bench.engine.process.precision import require_precision
from vis_bench.engine.speed.jobs import curve_jobs, speed_jobs
from vis_bench.engine.speed.material import LENGTHS, object_counts
from vis_bench.engine.speed.measure import forecast, measure_curve, measure_speed
from vis_bench.engine.speed.plan import SpeedPlan, SpeedSettings, plan_speed, protocols_for
from vis_bench.errors import UsageError, did_you_mean
from vis_bench.records.speed import CUDA_FRAMES, FRAMES_MIN, CurveKind, Scenario
from vis_bench.setup.frameworks import with_options
from vis_bench.setup.plugins import check_shadowing, expand_methods
from vis_bench.setup.protocol import load_protocol, protocol_for_dataset
from vis_bench.types import Dataset

SHORT_FRAMES = 20
# a GPU's clocks rise and its kernels are chosen while it works, and a minute of it is thousands of frames
_ON_GPU: Mapping[str, Any] = {"frames": CUDA_FRAMES, "pinned": True}
_EFFORT: Mapping[tuple[str, bool], Mapping[str, Any]] = {
    ("cpu", False): {"frames": FRAMES_MIN},
    ("cpu", True): {"frames": SHORT_FRAMES},
    ("cuda", False): {**_ON_GPU, "seconds": 60.0, "warm_up_seconds": 10.0, "warm_up_frames": 200},
    ("cuda", True): {**_ON_GPU, "seconds": 5.0, "warm_up_seconds": 2.0, "warm_up_frames": 20},
}


def effort_of(device_kind: str, short: bool) -> dict[str, Any]:
    """How long a kind of device is warmed up and timed: values of SpeedProtocol.

    A repeat on a GPU ends after 60 s or 2,000 frames, whichever comes first; with short after 5 s.
    """
    return dict(_EFFORT[device_kind, short])


@dataclass(frozen=True, slots=True)
class Measurement:
    """Plans of all methods. curve: how cost grows with this, or None for the scenarios."""

    plans: tuple[SpeedPlan, ...]
    dataset: Dataset
    curve: CurveKind | None
    short: bool
    out: Path

    @property
    def folder(self) -> Path:
        """Where tables and pictures go."""
        return self.plans[0].directory.parent

    def values(self) -> Sequence[int]:
        """The points of the curve."""
        if self.curve == "objects":
            return object_counts(self.dataset)
        return LENGTHS[:2] if self.short else LENGTHS

    def jobs(self) -> Sequence[Any]:
        """Every process that measures."""
        if self.curve is not None:
            return curve_jobs(self.plans, self.dataset, self.curve, self.values())
        return speed_jobs(self.plans, self.dataset)

    def forecast(self) -> str:
        """How long it will take."""
        return forecast(self.jobs())

    def measure(self, say: Callable[[str], None]) -> Sequence[Any]:
        """Records of speed, or of the curve; what is measured already is not measured again."""
        if self.curve is not None:
            return measure_curve(self.plans, self.dataset, self.curve, self.values(), say)
        return measure_speed(self.plans, self.dataset, say)

    def failed(self, records: Sequence[Any]) -> bool:
        """Whether some method failed."""
        if self.curve is not None:
            return any(record.failed for record in records)
        return any(record.status == "failed" for record in records)

    def wrong(self, records: Sequence[Any]) -> bool:
        """Whether some audit of the measurement failed."""
        if self.curve is not None:
            return False
        return any(audit.ok is False for record in records for audit in record.audits)


def prepare(
    methods: str,
    dataset: str,
    *,
    split: str | None = None,
    scenario: str = "both",
    curve: str | None = None,
    device: str = "auto",
    precision: str = "fp32",
    compile: bool = False,
    threads: int | None = None,
    repeats: int = 3,
    frames: int | None = None,
    short: bool = False,
    weights: str | Path | None = None,
    runs: str | Path | None = None,
    out: str | Path = "runs/speed",
    data_root: str | Path | None = None,
    project: str | None = None,
    associate: str | None = None,
    prompt: str | None = None,
) -> Measurement:
    """Options of the command as given; see `vis-bench speed --help`.

    Raises UsageError for unknown names and options that exclude each other, MethodError without torch.
    """
    check_shadowing()
    scenarios = _scenarios(scenario)
    device = choose_devices(device).slots[0][0]
    require_precision(precision, device)
    if curve is not None:
        _one_of("--curve", curve, get_args(CurveKind))
    effort = effort_of("cuda" if device.startswith("cuda") else "cpu", short)
    count = _frames(frames, short, effort)
    if weights is not None and runs is not None:
        raise UsageError("Give either --weights FILE or --runs FOLDER.")
    require_torch(device)
    protocols = protocols_for(
        scenarios[:1] if curve else scenarios,
        device_kind=device.partition(":")[0],
        precision=precision,
        compile=compile,
        threads=threads or load_protocol(protocol_for_dataset(dataset)).threads_per_job,
        **{**effort, "frames": count},
        repeats=1 if curve else repeats,
        short=short,
    )
    settings = SpeedSettings(
        dataset=dataset,
        split=split or catalog.default_split(dataset),
        protocols=protocols,
        out=Path(out),
        device=device,
        data_root=None if data_root is None else Path(data_root),
        weights=None if weights is None else Path(weights),
        runs=None if runs is None else Path(runs),
    )
    asked = {"project": project, "associate": associate, "prompt": prompt}
    plans, opened = plan_speed(with_options(list(expand_methods(methods)), asked), settings)
    return Measurement(tuple(plans), opened, cast(CurveKind | None, curve), short, settings.out)


def _scenarios(text: str) -> tuple[Scenario, ...]:
    if text == "both":
        return get_args(Scenario)
    _one_of("--scenario", text, (*get_args(Scenario), "both"))
    return (cast(Scenario, text),)


def _one_of(option: str, value: str, known: Sequence[str]) -> None:
    if value not in known:
        raise UsageError(f"{option} {value!r}: must be {', '.join(known)}.{did_you_mean(value, known)}")


def _frames(given: int | None, short: bool, effort: Mapping[str, Any]) -> int:
    frames, least = given or effort["frames"], effort["frames"]
    if frames < least and not short:
        raise UsageError(
            f"--frames {frames}: a measurement takes at least {least} frames. Add --short for a shorter "
            "one, which is marked as such."
        )
    return frames
