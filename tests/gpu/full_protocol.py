"""How long full measurements and trainings would take on the card, from the rates of the short check."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vis_bench.engine.process.progress import duration

START_SECONDS = 12.0
"""A process with torch, CUDA and a model, about."""
SCENARIOS, REPEATS, PASSES = 2, 3, 3
INSPECTED_FRAMES = 2 * 500 + 256
"""Stages, scored tracks and audits, about."""


def speed_seconds(frames_per_second: float, effort: Mapping[str, Any]) -> float:
    """Of one method in one precision. effort: values of the full SpeedProtocol on this kind of device."""
    limit = effort.get("seconds") or float("inf")
    timed = min(limit, effort["frames"] / frames_per_second)
    repeat = START_SECONDS + effort.get("warm_up_seconds", 0.0) + PASSES * timed
    return SCENARIOS * REPEATS * repeat + START_SECONDS + INSPECTED_FRAMES / frames_per_second


def full_text(
    rates: Mapping[str, float], steps: Mapping[str, tuple[float, int]], effort: Mapping[str, Any]
) -> list[str]:
    """Lines. rates: frames per second; steps: (seconds of a training step, steps in all); both by method."""
    lines = []
    if rates:
        seconds = sum(speed_seconds(rate, effort) for rate in rates.values())
        lines.append(
            f"the full speed protocol of these {len(rates)} methods, one precision: about {duration(seconds)}"
        )
    if steps:
        seconds = sum(one * count for one, count in steps.values())
        lines.append(
            f"one seed of these {len(steps)} trainings on one device: about {duration(seconds)}, "
            "if clips come in time"
        )
    return lines
