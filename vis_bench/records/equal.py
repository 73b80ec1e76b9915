"""Whether two records claim the same numbers."""

from __future__ import annotations

from typing import Any

from vis_bench.files import dump_json

TOLERANCE = 1e-9
"""The same numbers added up in another order differ by less."""


def same(a: Any, b: Any) -> bool:
    """Whether two values of a record are one: numbers to 1e-9, objects and lists part by part, the rest
    exactly."""
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(value, b[key]) for key, value in a.items())
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    numbers = all(isinstance(x, int | float) and not isinstance(x, bool) for x in (a, b))
    return abs(a - b) <= TOLERANCE if numbers else dump_json(a) == dump_json(b)
