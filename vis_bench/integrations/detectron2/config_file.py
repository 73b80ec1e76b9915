"""Configuration files of detectron2, read without detectron2 and without running what is in them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from vis_bench.errors import DataError
from vis_bench.files import read_bytes

BASE = "_BASE_"
_MOST_BASES = 20


def read_config(path: Path, seen: tuple[Path, ...] = ()) -> dict[str, Any]:
    """What a YAML file says, with the files that it names as `_BASE_` below it, of several the later on top.

    seen: files on the way here. Raises DataError for a file that is missing, no YAML of plain values (tags
    such as `!!python/object` run code), or based on itself.
    """
    import yaml

    path = path.resolve()
    if path in seen or len(seen) > _MOST_BASES:
        raise DataError(f"{path}: is based on itself ({BASE}).")
    if not path.is_file():
        whose = f" ({BASE} of {seen[-1]})" if seen else ""
        raise DataError(f"{path}: no such configuration file{whose}.")
    try:
        content = yaml.safe_load(read_bytes(path).decode("utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        first = " ".join(str(error).split())
        raise DataError(
            f"{path}: no YAML of plain values ({first}). Tags that run Python are not read; write their "
            "values."
        ) from None
    if not isinstance(content, dict):
        raise DataError(f"{path}: holds no keys of a configuration.")
    base = content.pop(BASE, None)
    if base is None:
        return content
    below: dict[str, Any] = {}
    for one in base if isinstance(base, list) else [base]:
        if not isinstance(one, str) or "://" in one:
            raise DataError(f"{path}: {BASE} {one!r} is no path of a file.")
        below = _merged(below, read_config(path.parent / Path(one).expanduser(), (*seen, path)))
    return _merged(below, content)


def _merged(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """`above` over `below`, key by key in the dictionaries of both."""
    found = dict(below)
    for key, value in above.items():
        old = found.get(key)
        found[key] = _merged(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return found


def value_at(content: dict[str, Any], key: str) -> Any:
    """The value of a dotted key, None where it is not there."""
    value: Any = content
    for part in key.split("."):
        if not isinstance(value, dict):
            return None
        value = value.get(part)
    return value
