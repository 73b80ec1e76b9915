"""Seeds: one master seed, one independent stream per axis of randomness.

Source: design, "seed = hash(master, axis)"; methods share the data order, so comparisons are paired.
"""

from __future__ import annotations

import hashlib
from typing import Literal

from vis_bench.errors import UsageError

Axis = Literal["split", "data order", "init", "augmentation"]
MOST_SEEDS = 1000
AXES: tuple[Axis, ...] = ("split", "data order", "init", "augmentation")


def axis_seed(master: int, axis: Axis, step: int = 0, shard: int = 0) -> int:
    """A 63-bit seed for one axis of a master seed; stable across machines.

    step, shard: of a training, where every shard of every step draws from its own stream. Shard 0 has the
    stream of a training without shards.
    """
    words = f"vis-bench/{master}/{axis}/{step}" + (f"/{shard}" if shard else "")
    digest = hashlib.sha256(words.encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def parse_seeds(text: str) -> list[int]:
    """`3` -> [0, 1, 2]; `0,2,7` -> [0, 2, 7]. Raises UsageError for anything else, and for a count that can
    only be a slip: more than MOST_SEEDS, which a list may have.
    """
    try:
        numbers = [int(part) for part in text.split(",") if part.strip()]
    except ValueError:
        raise UsageError(f"--seeds {text!r}: give a count (3) or a list (0,1,4).") from None
    if "," in text:
        if not numbers or min(numbers) < 0 or len(set(numbers)) != len(numbers):
            raise UsageError(f"--seeds {text!r}: a list needs distinct seeds, none negative.")
        return numbers
    if len(numbers) != 1 or numbers[0] < 1:
        raise UsageError(f"--seeds {text!r}: the count must be at least 1.")
    if numbers[0] > MOST_SEEDS:
        raise UsageError(
            f"--seeds {text}: {MOST_SEEDS} trainings of each method are the most that a count may ask for. "
            "To run one seed of that number, write a comma behind it; to run more, write the list."
        )
    return list(range(numbers[0]))
