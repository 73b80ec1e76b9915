"""One thing that was looked at."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

State = Literal["ok", "absent", "trouble"]


@dataclass(frozen=True, slots=True)
class Finding:
    """name: of what was looked at. state: `absent` is a part that nobody has to have. found: in words.
    repair: what to type or to do, one line; empty where nothing is to be done."""

    name: str
    state: State
    found: str
    repair: str = ""

    def as_json(self) -> dict[str, Any]:
        """Ready for JSON."""
        return asdict(self)


def ok(name: str, found: str) -> Finding:
    """Nothing to be done."""
    return Finding(name, "ok", found)


def trouble(name: str, found: str, repair: str) -> Finding:
    """Something that will end a command, or make it much slower."""
    return Finding(name, "trouble", found, repair)
