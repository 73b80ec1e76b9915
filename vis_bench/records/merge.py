"""Results of several machines as one folder: `vis-bench merge`."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vis_bench.errors import DataError, NotComparableError, UsageError
from vis_bench.records.equal import same
from vis_bench.records.keys import comparable_key, row_key
from vis_bench.records.run import CHECKPOINT_NAME, Record, find_records, read_record

TRAINED, PLANS, STAGES = "trained", "plans", "image-stages"
_LEASE = ".lease"
_ALIVE_SECONDS = 60
"""A lease that is younger may be of a process that works; what killed ones left behind is no hindrance."""


@dataclass(frozen=True, slots=True)
class Merged:
    """What was put together. equal: (folder, folder) of units that were there twice with equal numbers.
    replaced: failed runs in whose place another machine's result stands."""

    units: int
    equal: tuple[tuple[Path, Path], ...]
    replaced: tuple[Path, ...]


def merge(sources: Sequence[str | Path], out: str | Path) -> Merged:
    """Copy the runs of several folders into a new one; the sources stay as they are.

    A unit (method, configuration, data, protocol, training, seed) that is there twice is taken once; a
    result is taken before a failure. What was begun (weights, a checkpoint to go on from) is copied too.

    Raises NotComparableError (exit code 5) naming both folders where a unit is there twice with different
    numbers, DataError (3) for a source without records, UsageError (2) for a target that is not empty and
    for a source in which a process still works.
    """
    target, places = Path(out), [Path(source) for source in sources]
    if len(places) < 2:
        raise UsageError("merge needs at least two folders: vis-bench merge A B -o C.")
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UsageError(f"-o {target}: is not empty. Name a new folder.")
    for place in places:
        if target.resolve().is_relative_to(place.resolve()):
            raise UsageError(f"-o {target}: lies in {place}. Name a folder outside.")
        if not place.is_dir():
            raise DataError(f"{place}: no such folder of results.")
        for lease in place.rglob(_LEASE):
            if time.time() - lease.stat().st_mtime < _ALIVE_SECONDS:
                raise UsageError(
                    f"{lease.parent}: a process is working there, or was a minute ago. Let it finish."
                )
    chosen, equal, replaced = _choose(places)
    if not chosen:
        raise DataError(f"no record.json under {', '.join(map(str, places))}.")
    copies = _Copies({})
    for relative, folder in sorted(chosen.items()):
        copies.tree(folder, target / relative)
    for place in places:
        for name in (TRAINED, STAGES):
            for folder in sorted((place / name).glob("*")):
                _copy_begun(copies, folder, target / name / folder.name)
        for plan in sorted((place / PLANS).glob("*.json")):
            copies.file(plan, target / PLANS / plan.name)
    return Merged(len(chosen), tuple(equal), tuple(replaced))


def _choose(
    places: Sequence[Path],
) -> tuple[dict[Path, Path], list[tuple[Path, Path]], list[Path]]:
    """(run directories to copy by their place in the new folder, equal pairs, failures that are left out)."""
    best: dict[Any, tuple[Path, Path, Record]] = {}
    equal: list[tuple[Path, Path]] = []
    replaced: list[Path] = []
    for place in places:
        for path in find_records([place]):
            record, folder = read_record(path), path.parent
            key = _key(record)
            new = (folder.relative_to(place), folder, record)
            if key not in best:
                best[key] = new
                continue
            _, other, known = best[key]
            if record.status == "failed" or known.status == "failed":
                worse = folder if record.status == "failed" else other
                best[key] = best[key] if worse is folder else new
                replaced.append(worse)
                continue
            if not same(_numbers(known), _numbers(record)):
                raise NotComparableError(
                    f"{other} and {folder}: one unit ({record.variant()} seed {record.seed} on "
                    f"{record.dataset} "
                    f"{record.split}) with different numbers: {_first_difference(known, record)}. Find out "
                    "which "
                    "one is right, and leave the other out."
                )
            equal.append((other, folder))
    chosen: dict[Path, Path] = {}
    for relative, folder, _ in best.values():
        if relative in chosen:
            raise NotComparableError(
                f"{chosen[relative]} and {folder}: two units in one place. Rename one folder."
            )
        chosen[relative] = folder
    return chosen, equal, replaced


def _key(record: Record) -> Any:
    dumped = record.model_dump(mode="json")
    return comparable_key(dumped), row_key(dumped), record.seed


def _numbers(record: Record) -> Any:
    return {"status": record.status, "metrics": record.model_dump(mode="json")["metrics"]}


def _first_difference(a: Record, b: Record) -> str:
    if a.status != b.status:
        return f"{a.status} and {b.status}"
    waiting: list[tuple[str, Any, Any]] = [("", a.metrics, b.metrics)]
    while waiting:
        name, x, y = waiting.pop()
        if isinstance(x, dict) and isinstance(y, dict):
            keys = sorted({*x, *y}, reverse=True)
            waiting += [(f"{name}.{key}".lstrip("."), x.get(key), y.get(key)) for key in keys]
        elif not same(x, y):
            return f"{name} is {x} and {y}"
    return "no number"


def _copy_begun(copies: _Copies, source: Path, target: Path) -> None:
    """Weights, or a training that was begun; a finished one takes the place of one that is not."""
    if target.exists():
        if (target / CHECKPOINT_NAME).exists() or not (source / CHECKPOINT_NAME).exists():
            return
        shutil.rmtree(target)
    copies.tree(source, target)


@dataclass(frozen=True, slots=True)
class _Copies:
    """Copies of files; names of one file (weights of a run are those of its training) stay names of one
    file."""

    made: dict[tuple[int, int], Path]

    def tree(self, source: Path, target: Path) -> None:
        target.mkdir(parents=True, exist_ok=True)
        for path in sorted(source.iterdir()):
            if path.is_symlink() or path.name.startswith("."):
                # locks, and what killed writers left
                continue
            if path.is_dir():
                self.tree(path, target / path.name)
            else:
                self.file(path, target / path.name)

    def file(self, source: Path, target: Path) -> None:
        if target.exists():
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        found = source.stat()
        first = self.made.setdefault((found.st_dev, found.st_ino), target)
        try:
            if first != target:
                os.link(first, target)
                return
        except OSError:
            pass  # no hard links there
        shutil.copy2(source, target)
