"""Typed access to JSON records, with errors that name the file, the record and the repair."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sized
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from vis_bench.data.segmentations import are_finite_numbers
from vis_bench.errors import DataError
from vis_bench.files import read_bytes, read_json, sha256
from vis_bench.masks.mask_text import MaskRow
from vis_bench.types import Box


@contextmanager
def paused_garbage_collection() -> Iterator[None]:
    """Keep the garbage collector from walking millions of young objects that all stay alive.

    Halves the time to load a large results file; reference counting goes on as always.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def read_json_and_hash(path: Path) -> tuple[Any, str]:
    """Parsed JSON and the SHA-256 of its uncompressed text, so that `x.json` and `x.json.gz` agree."""
    return read_json(path), sha256(read_bytes(path))


def require_object(value: object, where: str) -> dict[str, Any]:
    """Return value if it is a JSON object, else raise DataError."""
    if not isinstance(value, dict):
        raise DataError(f"{where}: must be a JSON object {{...}}, found {type(value).__name__}.")
    return value


def require_list(record: dict[str, Any], key: str, where: str) -> list[Any]:
    """The list under `key`. Raises DataError when it is absent or of another type."""
    value = require(record, key, where)
    if not isinstance(value, list):
        raise DataError(f"{where}: `{key}` must be a list, found {type(value).__name__}.")
    return value


def require_masks(record: dict[str, Any], where: str) -> list[Any] | MaskRow:
    """The list under `segmentations`, which may be a row of checked masks. Raises DataError as
    `require_list`."""
    value = record.get("segmentations")
    return value if isinstance(value, MaskRow) else require_list(record, "segmentations", where)


def require(record: dict[str, Any], key: str, where: str) -> Any:
    """The value under `key`. Raises DataError, listing the keys present, when it is absent."""
    if key not in record:
        raise DataError(
            f"{where}: `{key}` is missing. Keys present: {', '.join(map(str, record)) or 'none'}."
        )
    return record[key]


def require_int(record: dict[str, Any], key: str, where: str) -> int:
    """The whole number under `key`, 7.0 is one too. Raises DataError for anything else (also text, true
    and numbers beyond 64 bits).
    """
    value = require(record, key, where)
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    if not isinstance(value, int) or isinstance(value, bool) or abs(value) >= 2**63:
        raise DataError(f"{where}: `{key}` must be a whole number, found {value!r}.")
    return value


def require_text(record: dict[str, Any], key: str, where: str) -> str:
    """The non-empty text under `key`. Raises DataError for anything else."""
    value = require(record, key, where)
    if not isinstance(value, str) or not value:
        raise DataError(f"{where}: `{key}` must be text, found {value!r}.")
    return value


def require_length(values: Sized, length: int, key: str, where: str) -> None:
    """Raise DataError unless a per-frame list has one entry per frame of its video."""
    if len(values) != length:
        raise DataError(
            f"{where}: `{key}` has {len(values)} entries, the video has {length} frames. "
            "Write one entry per frame, null where the object is absent."
        )


def read_boxes(values: list[Any], where: str) -> tuple[Box | None, ...]:
    """Per-frame boxes (x, y, width, height) or None; [] and {} are None too.

    Raises DataError unless four finite numbers each.
    """
    values = [value if value or not isinstance(value, (list, dict)) else None for value in values]
    if not _are_boxes(values):
        for frame, box in enumerate(values):
            if not _are_boxes([box]):
                raise DataError(
                    f"{where}, frame {frame}: a box must be four finite numbers [x, y, width, height] or "
                    f"null, found {box!r}."
                )
    return tuple([None if box is None else _as_box(*box) for box in values])


def _as_box(x: float, y: float, width: float, height: float) -> Box:
    return float(x), float(y), float(width), float(height)


def _are_boxes(values: list[Any]) -> bool:
    """Whether every value is None or four finite numbers; all at once, because files hold very many."""
    boxes = [box for box in values if box is not None]
    if not set(map(type, boxes)) <= {list, tuple} or not set(map(len, boxes)) <= {4}:
        return False
    return are_finite_numbers([number for box in boxes for number in box])
