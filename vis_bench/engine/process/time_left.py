"""How long a sweep still takes, from what its runs have done so far."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

# what a run goes through, as `Progress` is told; others (the score) take too little to count
STAGES = ("train", "track", "operating point")


@dataclass
class _Stage:
    begun: float
    first: int
    done: int
    total: int
    seconds: float | None = None

    def projected(self, now: float) -> float | None:
        """Seconds of the whole stage from its start in this process; None before the first step."""
        if self.seconds is not None:
            return self.seconds
        steps = self.done - self.first
        return (now - self.begun) * (self.total - self.first) / steps if steps > 0 else None

    def left(self, now: float) -> float | None:
        whole = self.projected(now)
        return None if whole is None else max(0.0, whole - (now - self.begun))


@dataclass
class TimeLeft:
    """Tells of runs by label. side_by_side: runs that share the time.

    A run that has not come to a stage is expected to take the mean of those that have. No time is told
    before one run has made a step; what has never been seen (tracking, at first) is left out, so that the
    first estimates of a sweep are low.
    """

    labels: Sequence[str]
    side_by_side: int
    _stages: dict[tuple[str, str], _Stage] = field(default_factory=dict)
    _ended: set[str] = field(default_factory=set)

    def update(self, label: str, stage: str, done: int, total: int, now: float) -> None:
        """A run has done so many steps of a stage. now: seconds of a clock that never goes back."""
        if stage not in STAGES:
            return
        for other in STAGES[: STAGES.index(stage)]:
            before = self._stages.get((label, other))
            if before is not None and before.seconds is None:
                before.seconds = now - before.begun
        known = self._stages.setdefault((label, stage), _Stage(now, done, done, total))
        known.done, known.total = done, total

    def finished(self, label: str, now: float) -> None:
        """A run has its record, whatever it says."""
        self._ended.add(label)
        for stage in STAGES:
            known = self._stages.get((label, stage))
            if known is not None and known.seconds is None:
                known.seconds = now - known.begun

    def seconds(self, now: float) -> float | None:
        """Expected seconds until the last run ends, None while nothing is known."""
        usual = {stage: self._mean(stage, now) for stage in STAGES}
        if all(value is None for value in usual.values()):
            return None
        longest = total = 0.0
        for label in self.labels:
            if label in self._ended:
                continue
            left = sum(self._left(label, stage, usual[stage], now) for stage in STAGES)
            longest, total = max(longest, left), total + left
        return max(longest, total / self.side_by_side)

    def _left(self, label: str, stage: str, usual: float | None, now: float) -> float:
        known = self._stages.get((label, stage))
        if known is not None and known.seconds is not None:
            return 0.0
        later = any((label, other) in self._stages for other in STAGES[STAGES.index(stage) + 1 :])
        if known is None:
            # weights that were there already are not trained
            return 0.0 if later or usual is None else usual
        left = known.left(now)
        return (usual or 0.0) if left is None else left

    def _mean(self, stage: str, now: float) -> float | None:
        found = [one.projected(now) for (_, name), one in self._stages.items() if name == stage]
        values = [value for value in found if value is not None]
        return sum(values) / len(values) if values else None
