"""The cached copy of a synthetic set: made once, complete or not there at all."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

from vis_bench.cache import remove_abandoned, writer_mark
from vis_bench.data.shapes.layout import annotation_file
from vis_bench.data.shapes.parameters import SHAPE_SETS
from vis_bench.data.shapes.workers import available_processes, write_videos
from vis_bench.errors import DataError, UsageError, did_you_mean
from vis_bench.files import write_json

# No generation takes this long: an older temporary folder was left by a process that was killed. Those of
# this machine are known by the process in their name.
STALE_AFTER_S = 6 * 3600


def ensure_shapes(name: str, split: str, cache_root: Path, progress: bool = True) -> Path:
    """The folder of one split of a synthetic set, generated on the first call.

    name: a key of SHAPE_SETS. split: `train`, `val` or `test` of `shapes`; `test` of the others.
    Returns a folder with `instances_<split>.json` and `JPEGImages/<video>/<frame>.jpg`. Its name holds the
    version of the generator, so data of another version is never reused; see ensure_folder.
    Raises UsageError for an unknown set or split, DataError when the folder cannot be written.
    """
    if name not in SHAPE_SETS:
        raise UsageError(f"Unknown synthetic set {name!r}.{did_you_mean(name, SHAPE_SETS)}")
    splits = SHAPE_SETS[name].splits
    if split not in splits:
        raise UsageError(f"The set {name!r} has no split {split!r}.{did_you_mean(split, splits)}")
    parameters = SHAPE_SETS[name]

    def make(folder: Path) -> Mapping[str, Any]:
        videos = write_videos(
            name, split, range(splits[split].videos), folder, available_processes(), progress
        )
        return annotation_file(parameters.stream, split, parameters.version, videos)

    target = cache_root / f"{name}-{split}-{parameters.version}"
    return ensure_folder(target, f"instances_{split}.json", make)


def ensure_folder(target: Path, annotations: str, make: Callable[[Path], Mapping[str, Any]]) -> Path:
    """`target`, made on the first call: its frames by `make(folder)`, which returns the annotations' content.

    target: its name ends with `-<version>`. annotations: name of the annotation file in it. The folder
    appears by one rename when it is complete; of two processes that make it at once, the later one drops its
    copy.
    Raises DataError when the folder cannot be written or is incomplete.
    """
    if target.is_dir():
        if not (target / annotations).is_file():
            raise DataError(f"{target}: incomplete, somebody removed files. Delete the folder and run again.")
        return target
    try:
        _generate(target, annotations, make)
    except OSError as error:
        raise DataError(
            f"{target}: the synthetic set cannot be written ({error.strerror or error}). "
            "Free some space or choose another cache folder."
        ) from error
    except BrokenProcessPool as error:
        raise DataError(
            f"{target}: a process that rendered videos was killed. Free some memory and run again."
        ) from error
    return target


def _generate(target: Path, annotations: str, make: Callable[[Path], Mapping[str, Any]]) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    prefix = f".{target.name.rpartition('-')[0]}-"
    _remove_stale(target.parent, prefix)
    remove_abandoned(target.parent, prefix)
    temporary = Path(tempfile.mkdtemp(prefix=f"{prefix}{writer_mark()}-", dir=target.parent))
    try:
        write_json(temporary / annotations, make(temporary), indent=None)
        temporary.chmod(0o755)
        _publish(temporary, target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _publish(temporary: Path, target: Path) -> None:
    try:
        os.rename(temporary, target)
    except OSError:
        # Another process finished first; its data is the same.
        if not target.is_dir():
            raise


def _remove_stale(folder: Path, prefix: str) -> None:
    for path in folder.glob(f"{prefix}*"):
        try:
            age_s = time.time() - path.stat().st_mtime
        except FileNotFoundError:
            continue  # Another process has just finished with it.
        if age_s > STALE_AFTER_S:
            shutil.rmtree(path, ignore_errors=True)
