"""What lies in the cache folder: kinds, sizes, damage; and how it is removed."""

from __future__ import annotations

import json
import re
import shutil
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from vis_bench.cache import default_cache_root
from vis_bench.doctor.finding import Finding, ok, trouble
from vis_bench.errors import UsageError, did_you_mean

# what vis-bench itself writes, by the name of the entry; anything else is somebody else's
_KINDS = (
    (r"annotations", "annotations of data sets, packed"),
    (r"image-stages/[^/]+", "weights of an image stage"),
    (r"initialisation/[^/]+", "weights of a pretrained backbone"),
    (r"estimates", "what plans have counted"),
    (r"stills-[^/]+", "still images of the generator"),
    (r"shapes-[^/]+", "videos of the generator"),
    (r"busy\.lock", "a lock"),
)
_FOLDERS_OF_ENTRIES = ("image-stages", "initialisation")
_LARGEST_JSON_BYTES = 50_000_000


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that can be removed by itself. name: its path below the cache folder; kind: in words, None
    for what vis-bench has not made; size_bytes: of all its files."""

    name: str
    kind: str | None
    size_bytes: int
    path: Path


def entries(root: Path | None = None) -> list[Entry]:
    """What the cache folder holds, by name; nothing where there is none."""
    root = root or default_cache_root()
    if not root.is_dir():
        return []
    found = []
    for path in sorted(root.iterdir()):
        inside = path.name in _FOLDERS_OF_ENTRIES and path.is_dir() and not path.is_symlink()
        for place in sorted(path.iterdir()) if inside else [path]:
            name = place.relative_to(root).as_posix()
            found.append(Entry(name, _kind(name, place), _size(place), place))
    return found


def remove(names: list[str], everything: bool, root: Path | None = None) -> list[Entry]:
    """Remove entries by name, or all that vis-bench has made; returns them.

    Raises UsageError for a name that is not there or was not made by vis-bench; then nothing is removed.
    """
    there = {entry.name: entry for entry in entries(root)}
    for name in names:
        if name not in there:
            raise UsageError(f"the cache holds no {name!r}.{did_you_mean(name, there)}")
        if there[name].kind is None:
            raise UsageError(f"{there[name].path}: was not made by vis-bench, and is left alone.")
    chosen = [there[name] for name in dict.fromkeys(names)]
    if everything:
        chosen = [entry for entry in there.values() if entry.kind is not None]
    for entry in chosen:
        if entry.path.is_dir():
            shutil.rmtree(entry.path)
        else:
            entry.path.unlink()
    return chosen


def cache_findings(root: Path | None = None) -> Iterator[Finding]:
    """Where the cache is and how large, and each damaged file in it."""
    place = root or default_cache_root()
    known = [entry for entry in entries(place) if entry.kind is not None]
    total = sum(entry.size_bytes for entry in known)
    count = f"{len(known)} entr{'y' if len(known) == 1 else 'ies'}"
    yield ok("cache", f"{place}: {count}, {total / 1e9:.2f} GB (vis-bench cache ls)")
    for entry in known:
        for path in _files(entry.path):
            reason = _damage(path)
            if reason is not None:
                yield trouble("cache", f"{path}: {reason}", f"vis-bench cache rm {entry.name}")


def _kind(name: str, path: Path) -> str | None:
    if path.is_symlink():
        return None
    return next((kind for pattern, kind in _KINDS if re.fullmatch(pattern, name)), None)


def _files(path: Path) -> Iterator[Path]:
    """The files of an entry that are read as a whole; frames are looked at when they are decoded."""
    if path.is_file():
        yield path
        return
    for pattern in ("*.json", "*.safetensors", "*.store"):
        yield from sorted(one for one in path.rglob(pattern) if one.is_file())


def _damage(path: Path) -> str | None:
    """Why a file cannot be what its name says; None where it can."""
    # it loads NumPy, which may be what is wrong
    from vis_bench.data.store.packed import DamagedStoreError, open_packed

    try:
        if path.suffix == ".json" and path.stat().st_size <= _LARGEST_JSON_BYTES:
            json.loads(path.read_bytes())
        elif path.suffix == ".safetensors":
            return _cut_off(path)
        elif path.suffix == ".store":
            open_packed(path)
    except DamagedStoreError as error:
        return str(error)
    except (json.JSONDecodeError, UnicodeDecodeError):
        return "it is no JSON: cut off, or overwritten by something else"
    except (OSError, ValueError, RecursionError, KeyError, TypeError) as error:
        return str(error) or type(error).__name__
    return None


def _cut_off(path: Path) -> str | None:
    """Whether a safetensors file holds the bytes that its header speaks of.

    Source: the format's description: 8 bytes of length, a JSON header, the tensors by `data_offsets`.
    """
    with path.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8).ljust(8, b"\0"))
        if not 0 < length <= path.stat().st_size:
            return "it is cut off, or no weights"
        header = json.loads(file.read(length))
    ends = [one["data_offsets"][1] for name, one in header.items() if name != "__metadata__"]
    if path.stat().st_size != 8 + length + max(ends, default=0):
        return "it is cut off"
    return None


def _size(path: Path) -> int:
    if path.is_symlink():
        return 0
    if path.is_file():
        return path.stat().st_size
    return sum(one.stat().st_size for one in path.rglob("*") if one.is_file() and not one.is_symlink())
