"""COCO's compressed run lengths in plain NumPy: reading, checking and writing many masks at once.

pycocotools trusts its input: a string whose runs do not fill the image makes it read out of bounds or end the
process. Everything that comes from a file therefore passes through here first.

The format: a mask is a list of runs in column-major order, background first. Runs are written as signed
variable-length numbers, five bits per character (character code minus 48, bit 5 = "more follows", bit 4 of
the last group = sign); from the fourth run on, the difference to the run two places before is written.
Source: COCO API, `common/maskApi.c`, rleToString and rleFrString (public code fact).

Cost: about 5 ns per character for ordinary masks (`rle_quick`), 20 ns where the full check is needed.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vis_bench.masks.kernels import load_kernels
from vis_bench.masks.rle_quick import Workspace, compiled_areas, quick_areas

_FIRST_CHARACTER = 48
_MORE = 0x20
_SIGN = 0x10
_PAYLOAD = 0x1F
# Seven groups hold 35 bits; no image has a longer run, and int64 cannot overflow.
_MAX_GROUPS = 7
_LONGEST_RUN = 2**32
# Keeps the arrays of one pass inside the cache.
_CHUNK_CHARACTERS = 120_000


class BadCountsError(ValueError):
    """Mask `index` of a batch is not a valid run-length mask; the text says why."""

    def __init__(self, index: int, reason: str) -> None:
        super().__init__(reason)
        self.index = index


@dataclass(frozen=True, slots=True)
class CheckedCounts:
    """Masks that are safe to hand to pycocotools.

    counts: compressed runs without runs of length 0 after the first. areas: [n] int64, pixels.
    """

    counts: list[bytes]
    areas: np.ndarray


@dataclass(frozen=True, slots=True)
class _Runs:
    """Runs of n masks behind one another.

    values: [r] int64. offsets: [n + 1] int64, mask i holds values[offsets[i]:offsets[i + 1]].
    foreground: [r] bool, true for the odd places of each mask. unreadable: [n] bool.
    """

    values: np.ndarray
    offsets: np.ndarray
    foreground: np.ndarray
    unreadable: np.ndarray


def check_counts(counts: Sequence[bytes], pixels: Sequence[int]) -> CheckedCounts:
    """Check compressed masks and return them in canonical form with their areas.

    counts: n compressed run strings. pixels: n image sizes (height * width) that the runs must fill exactly.
    Raises BadCountsError for the first mask with a character outside the alphabet, a number that is cut off
    or too long, a negative run, or runs that do not sum to the image.
    """
    areas = np.zeros(len(counts), dtype=np.int64)
    checked: list[bytes] = list(counts)
    kernels = load_kernels(len(counts))
    room = None if kernels else Workspace.for_characters(_CHUNK_CHARACTERS)
    for start, stop in _chunks(counts):
        part, sizes = counts[start:stop], np.asarray(pixels[start:stop], dtype=np.int64)
        quick = compiled_areas(kernels, part, sizes) if kernels else quick_areas(part, sizes, room)
        if quick is not None:
            areas[start:stop] = quick
            continue
        runs = _decode(counts[start:stop])
        try:
            areas[start:stop] = _validate(runs, np.asarray(pixels[start:stop], dtype=np.int64))
        except BadCountsError as error:
            raise BadCountsError(start + error.index, str(error)) from None
        _rewrite_zero_runs(runs, checked, start)
    return CheckedCounts(checked, areas)


def compress_runs(runs: Sequence[np.ndarray], pixels: Sequence[int]) -> CheckedCounts:
    """Check uncompressed masks (one int64 array of runs each) and compress them.

    Raises BadCountsError as check_counts does.
    """
    areas = np.zeros(len(runs), dtype=np.int64)
    compressed: list[bytes] = []
    for start in range(0, len(runs), 1024):
        part = runs[start : start + 1024]
        batch = _runs(np.concatenate([np.zeros(0, np.int64), *part]), _offsets([len(one) for one in part]))
        try:
            areas[start : start + 1024] = _validate(batch, np.asarray(pixels[start : start + 1024]))
        except BadCountsError as error:
            raise BadCountsError(start + error.index, str(error)) from None
        texts = _encode(batch)
        _rewrite_zero_runs(batch, texts, 0)
        compressed.extend(texts)
    return CheckedCounts(compressed, areas)


def decode_runs(counts: bytes) -> np.ndarray:
    """Runs of one compressed mask, [r] int64, background first. Raises BadCountsError when unreadable."""
    runs = _decode([counts])
    if runs.unreadable[0]:
        raise BadCountsError(0, "the counts string cannot be read")
    return runs.values


def _chunks(counts: Sequence[bytes]) -> list[tuple[int, int]]:
    """Stretches [start, stop) of whole masks of up to _CHUNK_CHARACTERS, or of one longer mask."""
    ends = np.cumsum(np.fromiter(map(len, counts), np.int64, len(counts)))
    bounds = [0]
    while bounds[-1] < len(counts):
        begin = ends[bounds[-1] - 1] if bounds[-1] else 0
        stop = int(np.searchsorted(ends, begin + _CHUNK_CHARACTERS, side="right"))
        bounds.append(max(stop, bounds[-1] + 1))
    return list(itertools.pairwise(bounds))


def _offsets(lengths: Sequence[int] | np.ndarray) -> np.ndarray:
    return np.concatenate(([0], np.cumsum(np.asarray(lengths, dtype=np.int64)))).astype(np.int64)


def _position_in_group(offsets: np.ndarray) -> np.ndarray:
    return np.arange(offsets[-1]) - np.repeat(offsets[:-1], np.diff(offsets))


def _sums(values: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Sum of each group; unlike np.add.reduceat it is right for empty groups."""
    total = np.concatenate(([0], np.cumsum(values, dtype=np.int64)))
    return total[offsets[1:]] - total[offsets[:-1]]


def _groups_with(flags: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Which groups hold a true flag, [n] bool. Cheap in the usual case that none does."""
    found = np.zeros(len(offsets) - 1, dtype=bool)
    found[np.searchsorted(offsets, np.flatnonzero(flags), side="right") - 1] = True
    return found


def _runs(values: np.ndarray, offsets: np.ndarray, unreadable: np.ndarray | None = None) -> _Runs:
    masks = len(offsets) - 1
    starts_odd = np.repeat((offsets[:-1] & 1).astype(bool), np.diff(offsets))
    foreground = starts_odd ^ (np.arange(len(values)) & 1).astype(bool)
    return _Runs(values, offsets, foreground, np.zeros(masks, bool) if unreadable is None else unreadable)


def _decode(counts: Sequence[bytes]) -> _Runs:
    text_offsets = _offsets([len(text) for text in counts])
    # A character below the alphabet wraps round to a code above 63.
    codes = np.frombuffer(b"".join(counts), dtype=np.uint8) - np.uint8(_FIRST_CHARACTER)
    is_last = (codes & _MORE) == 0
    # A mask's last character always closes a number, so that a cut string cannot run into the next mask.
    last_of_text = text_offsets[1:][np.diff(text_offsets) > 0] - 1
    cut_off = last_of_text[~is_last[last_of_text]]
    is_last[cut_off] = True

    ends = np.flatnonzero(is_last)
    starts = np.concatenate(([0], ends[:-1] + 1)) if len(ends) else ends
    groups = ends - starts + 1
    offsets = np.searchsorted(ends, text_offsets)
    numbers = (codes[starts] & _PAYLOAD).astype(np.int64)
    longer = np.flatnonzero(groups > 1)
    for group in range(1, _MAX_GROUPS):
        numbers[longer] |= (codes[starts[longer] + group] & _PAYLOAD).astype(np.int64) << (5 * group)
        longer = longer[groups[longer] > group + 1]
        if not len(longer):
            break
    negative = np.flatnonzero(codes[ends] & _SIGN)
    numbers[negative] -= np.left_shift(1, 5 * np.minimum(groups[negative], _MAX_GROUPS))

    unreadable = _groups_with(codes > 63, text_offsets) | _groups_with(groups > _MAX_GROUPS, offsets)
    unreadable |= np.isin(text_offsets[1:] - 1, cut_off) & (np.diff(text_offsets) > 0)
    written = _runs(numbers, offsets, unreadable)
    return _Runs(_undo_differences(written), offsets, written.foreground, unreadable)


def _undo_differences(written: _Runs) -> np.ndarray:
    """Turn written numbers into runs: within a mask, odd places add up from place 1, even ones from place 2.

    Sums over every second number run through all masks at once; what they held before the mask began is
    subtracted again.
    """
    numbers = written.values
    sums = np.empty_like(numbers)
    sums[0::2] = np.cumsum(numbers[0::2])
    sums[1::2] = np.cumsum(numbers[1::2])
    filled = np.diff(written.offsets) > 0
    first = written.offsets[:-1][filled]
    lengths = np.diff(written.offsets)[filled]
    before_odd = np.where(first > 0, sums[first - 1], 0)
    before = np.where(written.foreground, np.repeat(before_odd, lengths), np.repeat(sums[first], lengths))
    runs = sums - before
    runs[first] = numbers[first]
    return runs


def _encode(runs: _Runs) -> list[bytes]:
    numbers = runs.values.copy()
    late = np.flatnonzero(_position_in_group(runs.offsets) > 2)
    numbers[late] -= runs.values[late - 2]
    groups = np.ones(len(numbers), dtype=np.int64)
    for n in range(1, _MAX_GROUPS):
        limit = 1 << (5 * n - 1)
        groups += (numbers >= limit) | (numbers < -limit)
    character_offsets = _offsets(groups)
    position = _position_in_group(character_offsets)
    codes = (np.repeat(numbers, groups) >> (5 * position)) & _PAYLOAD
    codes |= np.where(position < np.repeat(groups, groups) - 1, _MORE, 0)
    text = (codes + _FIRST_CHARACTER).astype(np.uint8).tobytes()
    bounds = character_offsets[runs.offsets].tolist()
    return [text[a:b] for a, b in itertools.pairwise(bounds)]


def _validate(runs: _Runs, pixels: np.ndarray) -> np.ndarray:
    """Areas [n] int64, or BadCountsError for the first bad mask."""
    negative = _groups_with(runs.values < 0, runs.offsets)
    # Without this bound, sums could wrap around 64 bits and happen to fit.
    huge = _groups_with(runs.values > _LONGEST_RUN, runs.offsets)
    filled = _sums(runs.values, runs.offsets)
    bad = runs.unreadable | negative | huge | (filled != pixels)
    if bad.any():
        first = int(np.flatnonzero(bad)[0])
        if runs.unreadable[first]:
            reason = "its counts string is not run-length text (damaged or cut off)"
        elif negative[first]:
            reason = "its counts hold a negative run"
        elif huge[first]:
            reason = "its counts hold a run longer than any image"
        else:
            word = "overrun" if filled[first] > pixels[first] else "do not fill"
            reason = f"its runs cover {filled[first]} pixels and {word} the image of {pixels[first]} pixels"
        raise BadCountsError(first, reason)
    return _sums(runs.values * runs.foreground, runs.offsets)


def _rewrite_zero_runs(runs: _Runs, texts: list[bytes], start: int) -> None:
    """Rewrite, in `texts`, masks with runs of length 0 after the first.

    They are legal and change no pixel, but pycocotools gives wrong boxes for them.
    """
    empty = runs.values == 0
    starts = runs.offsets[:-1]
    empty[starts[starts < runs.offsets[1:]]] = False
    for mask in np.flatnonzero(_groups_with(empty, runs.offsets)).tolist():
        merged: list[int] = [0]
        for place, run in enumerate(runs.values[runs.offsets[mask] : runs.offsets[mask + 1]].tolist()):
            if run == 0:
                continue
            if (len(merged) - 1) % 2 == place % 2:
                merged[-1] += run
            else:
                merged.append(run)
        values = np.asarray(merged, dtype=np.int64)
        texts[start + mask] = _encode(_runs(values, _offsets([len(values)])))[0]
