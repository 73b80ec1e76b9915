"""How far a folder of results is, from its files alone: from another terminal, or another machine."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any, Literal

from vis_bench.engine.plan_file import PlannedUnit, read_plans
from vis_bench.engine.process.lease import (
    LEASE_NAME,
    STALE_SECONDS,
    Owner,
    is_running,
    read_owner,
    this_machine,
)
from vis_bench.engine.process.progress import duration
from vis_bench.errors import DataError
from vis_bench.files import read_bytes
from vis_bench.records.merge import TRAINED
from vis_bench.records.run import LOG_NAME, Record, find_records, read_record

State = Literal["done", "running", "failed", "waiting"]
STATES: tuple[State, ...] = ("running", "failed", "waiting", "done")


@dataclass(frozen=True, slots=True)
class UnitStatus:
    """One unit. done, of: steps of what it is at (training, else tracking). reason: why it failed or waits,
    or where it runs and how long it still takes. seconds_left: None where nothing tells."""

    method: str
    config: str
    seed: int
    state: State
    done: int
    of: int
    reason: str
    data: str
    protocol: str
    seconds_left: float | None = None

    def as_json(self) -> dict[str, Any]:
        """All fields."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


@dataclass(frozen=True, slots=True)
class FolderStatus:
    """All units of a folder. seconds_left: of the whole, with as many side by side as run now; None where
    nothing tells."""

    units: tuple[UnitStatus, ...]
    seconds_left: float | None

    @property
    def counts(self) -> dict[str, int]:
        """How many units are in each state."""
        found = Counter(unit.state for unit in self.units)
        return {state: found.get(state, 0) for state in STATES}

    def as_json(self) -> dict[str, Any]:
        """What `vis-bench status --json` prints."""
        return {
            "units": [unit.as_json() for unit in self.units],
            "counts": self.counts,
            "seconds_left": self.seconds_left,
        }


def folder_status(out: str | Path) -> FolderStatus:
    """The state of every unit that is planned or has a record below `out`.

    Raises DataError for a folder that is not there, and for one without plan and record.
    """
    folder = Path(out)
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder of results.")
    planned = {unit.folder: unit for unit in read_plans(folder)}
    records = {str(path.parent.relative_to(folder)): read_record(path) for path in find_records([folder])}
    if not planned and not records:
        raise DataError(f"{folder}: holds no plan and no record of a run. Is it the folder of --out?")
    usual = _usual(records.values())
    units = [
        _unit(folder, name, planned.get(name), records.get(name), usual)
        for name in dict.fromkeys([*planned, *sorted(records)])
    ]
    return FolderStatus(tuple(units), _whole(units))


def _usual(records: Iterable[Record]) -> dict[str, float]:
    """Seconds of a whole unit by `method@config`; "" is the mean of all."""
    found: dict[str, list[float]] = {}
    for record in records:
        timing = record.timing
        if record.status == "failed" or timing.track_seconds is None:
            continue
        seconds = (timing.train_seconds or 0.0) + timing.track_seconds
        for key in (record.variant(), ""):
            found.setdefault(key, []).append(seconds)
    return {key: fmean(values) for key, values in found.items()}


def _unit(
    out: Path,
    name: str,
    planned: PlannedUnit | None,
    record: Record | None,
    usual: dict[str, float],
) -> UnitStatus:
    who: dict[str, Any] = _who(planned, record)
    steps = planned.iterations if planned is not None else 0
    expected = usual.get(f"{who['method']}@{who['config']}", usual.get(""))
    owner, gone = _owner(out / name)
    if record is not None and record.status != "failed":
        note = "" if record.status == "done" else "not scored: the truth is hidden"
        whole = steps or (planned.videos if planned is not None else record.data.videos)
        return UnitStatus(**who, state="done", done=whole, of=whole, reason=note, seconds_left=0.0)
    if owner is not None:
        left = owner.seconds_left()
        where = f"{owner.stage or 'begins'} on {owner.host}, process {owner.pid}"
        reason = where + (f", about {duration(left)} left" if left is not None else "")
        done, of = (owner.done, owner.of) if owner.of else (0, steps)
        return UnitStatus(
            **who,
            state="running",
            done=done,
            of=of,
            reason=reason,
            seconds_left=left if left is not None else expected,
        )
    if record is not None:
        return UnitStatus(
            **who, state="failed", done=0, of=steps, reason=record.error or "no reason is recorded"
        )
    done = _trained_steps(out / (planned.trained if planned is not None else TRAINED))
    reason = gone or (f"interrupted after {done} of {steps} steps" if done else "")
    return UnitStatus(
        **who, state="waiting", done=min(done, steps), of=steps, reason=reason, seconds_left=expected
    )


def _who(planned: PlannedUnit | None, record: Record | None) -> dict[str, Any]:
    if planned is not None:
        return {name: getattr(planned, name) for name in ("method", "config", "seed", "data", "protocol")}
    assert record is not None
    return {
        "method": record.method,
        "config": record.config,
        "seed": record.seed,
        "data": f"{Path(record.dataset).name} {record.split}",
        "protocol": record.protocol,
    }


def _owner(folder: Path) -> tuple[Owner | None, str]:
    """(who works there, "") or (None, why the one whose lease lies there does not any more)."""
    raw, owner = read_owner(folder)
    if not raw or owner is None:
        return None, ""
    if owner.machine == this_machine():
        alive = is_running(owner.pid, owner.started)
        return (owner, "") if alive else (None, f"{owner} was ended")
    try:
        silent = time.time() - (folder / LEASE_NAME).stat().st_mtime
    except OSError:
        return None, ""
    # clocks of two machines may differ by seconds
    if silent > 2 * STALE_SECONDS:
        return None, f"{owner} gave no sign of life for {duration(silent)}"
    return owner, ""


def _trained_steps(folder: Path) -> int:
    """The last step that the log of a training names; 0 without one."""
    path = folder / LOG_NAME
    if not path.is_file():
        return 0
    for line in reversed(read_bytes(path).splitlines()):
        try:
            return int(json.loads(line)["iteration"]) + 1
        except (ValueError, KeyError, TypeError):
            continue
    return 0


def _whole(units: Sequence[UnitStatus]) -> float | None:
    """Seconds until all is done; None where a unit says nothing."""
    left = [unit.seconds_left for unit in units if unit.state in ("running", "waiting")]
    known = [value for value in left if value is not None]
    if len(known) < len(left):
        return None
    side_by_side = max(1, sum(unit.state == "running" for unit in units))
    return max([sum(known) / side_by_side, *known], default=0.0)


def status_text(found: FolderStatus) -> str:
    """Lines for a terminal: what runs, has failed and waits, unit by unit; what is done as a count."""
    counts = found.counts
    lines = [", ".join(f"{count} {state}" for state, count in counts.items())]
    if found.seconds_left is not None and (counts["running"] or counts["waiting"]):
        lines[0] += f"; about {duration(found.seconds_left)} left"
    for state in STATES[:3]:
        for unit in (unit for unit in found.units if unit.state == state):
            steps = f"{unit.done}/{unit.of}" if unit.of else "-"
            name = f"{unit.method}@{unit.config} seed {unit.seed} on {unit.data} ({unit.protocol})"
            reason = " ".join(unit.reason.split())
            lines.append(_plain(f"{state:<8} {steps:>12}  {name}" + (f": {reason}" if reason else "")))
    return "\n".join(lines)


def _plain(text: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in text)
