"""How long a method trains on videos: equal numbers of frames, from which its iterations follow."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from vis_bench.method import MethodSpec, TrainConfig
from vis_bench.setup.config import override

WARM_UP_SHARE = 20
"""The warm-up is a twentieth of a phase."""


class Schedule(BaseModel):
    """What the video stage of every method is given, in the configuration meant when none is named.

    frames: given to `losses()` in all, so that methods with clips of different lengths learn from equally
    many; iterations and warm-up follow from it, see `scheduled`. A multiple of 120: with batches of 4
    clips, pairs, triples and two phases of 12 and 20 frames a step come out even. None leaves every
    configuration its own iterations. window: largest distance in frames from the key frame of a clip to any
    other, as ClipSampling; None leaves every configuration its own.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    frames: int | None = Field(default=None, gt=0, multiple_of=120)
    window: int | None = Field(default=None, ge=1)


def phases_of(config: Any) -> tuple[TrainConfig, ...]:
    """The trainings of all phases of a configuration."""
    return (config.train, *getattr(config, "later_training", ()))


def frames_seen(config: Any) -> int:
    """Frames given to `losses()`, over all phases."""
    return sum(phase.iterations * _step_frames(phase) for phase in phases_of(config))


def frames_with_detection_loss(config: Any, spec: MethodSpec) -> int:
    """Of `frames_seen`, those on which objects have to be found; the others lend identities or state."""
    count = spec.detection_frames
    return sum(
        phase.iterations
        * phase.batch_size
        * (phase.sampling.frames if count is None else count(config, number))
        for number, phase in enumerate(phases_of(config))
    )


def scheduled(config: Any, spec: MethodSpec, schedule: Schedule, by_hand: Collection[str]) -> Any:
    """The configuration with the iterations and the clip window of a protocol.

    Every phase gets an equal share of `schedule.frames`; its iterations are that share over the frames of a
    step, and steps of the rate move with them. by_hand: dotted keys that were set by hand and stay. A method
    whose later phases have no keys (`MethodSpec.phase_keys`) keeps its own schedule; its record tells how
    many frames that were.

    >>> from vis_bench.setup.plugins import load_spec
    >>> spec = load_spec("inspro_lite")
    >>> config = scheduled(spec.configs["tiny"], spec, Schedule(frames=1200), ())
    >>> [phase.iterations for phase in phases_of(config)]
    [50, 30]
    """
    values: dict[str, Any] = {}
    if schedule.window is not None:
        values["train.sampling.window"] = schedule.window
    phases = phases_of(config)
    if schedule.frames is not None and len(phases) <= len(spec.phase_keys):
        share = schedule.frames / len(phases)
        for key, phase in zip(spec.phase_keys, phases, strict=False):
            iterations = max(1, int(share // _step_frames(phase)))
            scale = iterations / phase.iterations
            values[f"{key}.iterations"] = iterations
            values[f"{key}.warmup_iterations"] = max(1, iterations // WARM_UP_SHARE)
            values[f"{key}.lr_steps"] = tuple(round(step * scale) for step in phase.lr_steps)
    return override(config, {key: value for key, value in values.items() if key not in by_hand})


def _step_frames(phase: TrainConfig) -> int:
    return phase.batch_size * phase.sampling.frames
