"""What a killed run has kept, line by line: where the next one goes on from."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from vis_bench.errors import DataError


def resume_lines(path: Path) -> Iterator[tuple[int, Any]]:
    """Yield (offset in bytes, value) of the lines of a JSON Lines file that is appended to.

    What follows the last complete line, where a killed process stopped, is cut off. A missing file has none.
    """
    if not path.exists():
        return
    with path.open("r+b") as file:
        offset = 0
        for line in file:
            try:
                # a line without its end may be valid JSON by chance
                value = json.loads(line if line.endswith(b"\n") else b"")
            except (ValueError, RecursionError):
                file.truncate(offset)
                return
            yield offset, value
            offset += len(line)


def require_entry(path: Path, entry: Any, keys: Sequence[str]) -> dict[str, Any]:
    """A line of a file that a killed run goes on from; path: that file. Raises DataError for any other."""
    if isinstance(entry, dict) and all(key in entry for key in keys):
        return entry
    raise DataError(
        f"{path}: what a killed run has kept is damaged. Delete this file and run again: it is made anew."
    )
