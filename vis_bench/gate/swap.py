"""Replacing a baseline: the old folder, or the whole new one, and never a mixture."""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from vis_bench.data.frame_predictions import FRAMES_NAME
from vis_bench.data.remembered_truth import TRUTH_NAME
from vis_bench.errors import UsageError
from vis_bench.files import remove_temporaries
from vis_bench.records.run import PREDICTIONS_NAME, RECORD_NAME

BASELINE_NAME = "baseline.json"
RUN_FILES = (RECORD_NAME, PREDICTIONS_NAME, FRAMES_NAME, TRUTH_NAME)


@contextmanager
def replaced(folder: Path) -> Iterator[Path]:
    """Yield a new folder beside `folder`, which takes its place when the block ends well.

    Whatever lies in `folder` goes: look with `require_only_a_baseline` first. A process that is killed in
    between leaves the old one or the new one in a place where `recover` finds it.
    """
    recover(folder)
    new, old = _beside(folder, "new"), _beside(folder, "old")
    for left in (new, old):
        _remove(left)
    new.mkdir(parents=True)
    try:
        yield new
        _synchronise(new)
        if folder.exists():
            folder.rename(old)
        new.rename(folder)
    except OSError as error:
        raise UsageError(f"{folder}: cannot be written ({error.strerror or error}).") from None
    finally:
        if folder.exists():
            _remove(new)
    _remove(old)


def recover(folder: Path) -> None:
    """End what a killed process began: the new folder, which is whole by then, takes its place."""
    new, old = _beside(folder, "new"), _beside(folder, "old")
    if not folder.exists() and old.is_dir():
        (new if new.is_dir() else old).rename(folder)


def require_only_a_baseline(folder: Path, runs: Collection[str] | None) -> None:
    """Raise UsageError when a folder holds what is no part of a baseline, and so must not be removed.

    runs: names of the folders of runs in it; None where they are not known.
    """
    odd = next(_odd(folder, runs), None)
    if odd is not None:
        raise UsageError(f"{odd}: is in the way, no part of the baseline. Move it, or name a new folder.")


def _odd(folder: Path, runs: Collection[str] | None) -> Iterator[Path]:
    if not folder.exists():
        return
    if folder.is_symlink() or not folder.is_dir():
        yield folder
        return
    for entry in sorted(folder.iterdir()):
        of_a_run = entry.is_dir() and not entry.is_symlink() and (runs is None or entry.name in runs)
        if of_a_run:
            yield from (file for file in sorted(entry.iterdir()) if not _plain(file, RUN_FILES))
        elif not _plain(entry, (BASELINE_NAME,)):
            yield entry


def _plain(path: Path, names: Collection[str]) -> bool:
    return path.name in names and path.is_file() and not path.is_symlink()


def _beside(folder: Path, what: str) -> Path:
    whole = folder.resolve()
    return whole.with_name(f".{whole.name}.vis-bench-{what}")


def _remove(folder: Path) -> None:
    """Remove what `replaced` left, after a look that it holds nothing else.

    A writer that was killed within it has left a temporary file too.
    """
    if folder.exists():
        if folder.is_dir() and not folder.is_symlink():
            for place in (
                folder,
                *(one for one in folder.iterdir() if one.is_dir() and not one.is_symlink()),
            ):
                remove_temporaries(place)
        require_only_a_baseline(folder, None)
        shutil.rmtree(folder)


def _synchronise(folder: Path) -> None:
    """Have everything below a folder on the disk."""
    for path in (*folder.rglob("*"), folder):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
