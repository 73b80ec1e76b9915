"""Places in a table that say no more than the verdicts do: who cannot be told apart shares a range of
places."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from vis_bench.errors import DataError
from vis_bench.study import intervals
from vis_bench.study.comparison import MARGIN_POINTS, Scores, compare_all


@dataclass(frozen=True, slots=True)
class Ranked:
    """What stands in a ranking. scores: of its seeds, in the order of `seeds`. fixed: one checkpoint, which
    is set beside every seed of the others."""

    scores: Scores
    seeds: tuple[int, ...]
    fixed: bool = False


def rank_ranges(count: int, better: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """The best and the worst place that each of `count` entries can have, from 1.

    better: pairs (a, b) of positions where a is better than b by a verdict. A place is lost to each entry
    that is better, and won from each that is worse; the others may stand on either side.
    """
    losses, wins = np.zeros(count, int), np.zeros(count, int)
    for a, b in set(better):
        wins[a] += 1
        losses[b] += 1
    return [(1 + int(losses[k]), count - int(wins[k])) for k in range(count)]


def rank_text(places: tuple[int, int]) -> str:
    """`2`, or `1-3` for a range."""
    low, high = places
    return str(low) if low == high else f"{low}-{high}"


def verdicts(
    entries: Sequence[Ranked], margin: float = MARGIN_POINTS, withheld: bool = False
) -> Mapping[tuple[int, int], intervals.Verdict]:
    """The verdict on every pair of positions (a, b), a before b, over the seeds that the two share.

    p is adjusted over all pairs (Holm). Pairs without a shared seed, and all where withheld, are `undecided`.
    """
    pairs, found = list(combinations(range(len(entries)), 2)), {}
    for pair in pairs:
        sides = _shared(entries[pair[0]], entries[pair[1]])
        if sides is None:
            continue
        try:
            (found[pair],) = compare_all(sides, margin)
        except DataError:
            # undefined in nearly all resamples: nothing is known of this pair
            continue
    adjusted = dict(zip(found, intervals.holm([one.difference.p for one in found.values()]), strict=True))
    result: dict[tuple[int, int], intervals.Verdict] = {}
    for pair in pairs:
        one = found.get(pair)
        known = one is not None and not one.videos_hidden and not withheld
        result[pair] = (
            intervals.verdict(one.difference, adjusted[pair], margin) if one and known else "undecided"
        )
    return result


def _shared(a: Ranked, b: Ranked) -> tuple[Scores, Scores] | None:
    """Both over the seeds that they share; None where there are none."""
    if a.fixed and not b.fixed:
        seeds = b.seeds
    elif b.fixed and not a.fixed:
        seeds = a.seeds
    elif a.fixed and b.fixed:
        return a.scores, b.scores
    else:
        seeds = tuple(sorted(set(a.seeds) & set(b.seeds)))
    return (_of(a, seeds), _of(b, seeds)) if seeds else None


def _of(entry: Ranked, seeds: Sequence[int]) -> Scores:
    rows = [0] * len(seeds) if entry.fixed else [entry.seeds.index(seed) for seed in seeds]
    return replace(entry.scores, values=entry.scores.values[rows], draws=entry.scores.draws[rows])
