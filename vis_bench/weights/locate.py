"""Which file each method starts from: `--start DIR|FILE|NAME=FILE,...`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vis_bench.errors import DataError, UsageError, did_you_mean


@dataclass(frozen=True, slots=True)
class Wanted:
    """A configuration that is to start from a file. text: as it was named; method, config: its full names."""

    text: str
    method: str
    config: str

    @property
    def names(self) -> tuple[str, ...]:
        """What `NAME=FILE` may call it, the most exact first."""
        return (f"{self.method}@{self.config}", self.text, self.method)


def find_starts(given: str, wanted: Sequence[Wanted]) -> list[Path]:
    """The file of each configuration, in order.

    given: a folder that holds METHOD@CONFIG.safetensors (a variant CONFIG+VARIANT may use that of CONFIG), a
    file for all, or NAME=FILE pairs with commas between. Raises DataError (exit code 3) for what is not
    there, UsageError (2) for a name that nothing has and for a configuration without a file.
    """
    place = Path(given)
    if place.is_dir():
        return [_in_folder(place, one) for one in wanted]
    if place.is_file() or "=" not in given:
        return [_require(place, "--start") for _ in wanted]
    pairs = {}
    for part in given.split(","):
        name, separator, file = part.partition("=")
        if not separator or not name.strip() or not file.strip():
            raise UsageError(
                f"--start {given!r}: {part!r} is not NAME=FILE, nor is all of it a file or folder."
            )
        pairs[name.strip()] = _require(Path(file.strip()), f"--start {name.strip()}")
    known = {name for one in wanted for name in one.names}
    odd = next((name for name in pairs if name not in known), None)
    if odd is not None:
        raise UsageError(f"--start: no method that is run is called {odd!r}.{did_you_mean(odd, known)}")
    without = [one.names[0] for one in wanted if not any(name in pairs for name in one.names)]
    if without:
        raise UsageError(
            f"--start: no file for {', '.join(without)}. Name one for each method, or run them apart: a "
            "table of methods with and without a start compares two things."
        )
    return [next(pairs[name] for name in one.names if name in pairs) for one in wanted]


def _in_folder(folder: Path, one: Wanted) -> Path:
    base = one.config.partition("+")[0]
    names = dict.fromkeys(f"{one.method}@{config}.safetensors" for config in (one.config, base))
    found = next((folder / name for name in names if (folder / name).is_file()), None)
    if found is None:
        raise DataError(
            f"--start {folder}: there is no {' or '.join(names)}. `vis-bench pretrain` and `vis-bench "
            "weights convert` write such files; NAME=FILE names one of another name."
        )
    return found


def _require(path: Path, option: str) -> Path:
    if not path.is_file():
        raise DataError(f"{path}: no such checkpoint or folder ({option}).")
    return path
