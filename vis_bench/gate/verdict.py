"""One check of the gate, and what all checks together say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from vis_bench.errors import EXIT_GATE_FAILED, EXIT_INCONCLUSIVE, EXIT_OK

Status = Literal["pass", "fail", "inconclusive"]
TIERS = {
    1: "stored predictions, scored again",
    2: "stored detections, associated again and scored",
    3: "retrained, new minus baseline",
}
EXIT_CODES: dict[Status, int] = {
    "pass": EXIT_OK,
    "fail": EXIT_GATE_FAILED,
    "inconclusive": EXIT_INCONCLUSIVE,
}


@dataclass(frozen=True, slots=True)
class Check:
    """One run under one tier (and, for tier 3, one metric). text: one sentence; details: one change each."""

    tier: int
    name: str
    status: Status
    text: str
    details: tuple[str, ...] = ()


def overall(checks: Sequence[Check]) -> Status:
    """A failure beats everything, then comes what could not be decided. Raises ValueError for no checks."""
    if not checks:
        raise ValueError("a gate without checks has no verdict")
    statuses = {check.status for check in checks}
    return "fail" if "fail" in statuses else "inconclusive" if "inconclusive" in statuses else "pass"
