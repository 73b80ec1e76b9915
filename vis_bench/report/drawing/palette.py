"""Colours of identities in pictures, and of methods in plots.

Seven colours are the palette of Okabe and Ito; the other three were searched so that every pair of the ten,
and each of them and the grey of background tracks, stays apart under simulated colour blindness (CIE76
distance of at least 15 for normal vision, protanopia, deuteranopia and tritanopia; a test computes it).

Source: M. Okabe, K. Ito, "Color Universal Design", 2008; simulation by G. Machado et al., "A
Physiologically-based Model for Simulation of Color Vision Deficiency", IEEE TVCG 2009, severity 1.0.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence

Colour = tuple[int, int, int]

BASE: tuple[Colour, ...] = (
    (230, 159, 0),
    (86, 180, 233),
    (0, 158, 115),
    (240, 228, 66),
    (0, 114, 178),
    (213, 94, 0),
    (204, 121, 167),
    (90, 30, 0),
    (45, 0, 150),
    (165, 0, 255),
)

BACKGROUND: Colour = (205, 205, 205)

# Identities beyond the tenth repeat the hues, first lighter, then darker; (target, share of the target).
_ROUNDS: tuple[tuple[int, float], ...] = ((0, 0.0), (255, 0.5), (0, 0.45))
COLOURS = len(BASE) * len(_ROUNDS)
"""How many identities have a colour of their own."""


def identity_colour(index: int) -> Colour:
    """The colour (red, green, blue, each 0..255) of identity `index` >= 0.

    Thirty colours differ; from index 30 on they repeat, so numbers must be drawn beside them.
    Raises ValueError for a negative index.
    """
    if index < 0:
        raise ValueError(f"identity index {index} is negative")
    target, share = _ROUNDS[index // len(BASE) % len(_ROUNDS)]
    red, green, blue = (round((1 - share) * value + share * target) for value in BASE[index % len(BASE)])
    return red, green, blue


# a line in the palette's yellow cannot be seen on white paper: methods have a plum instead, the last one
METHOD_COLOURS: tuple[Colour, ...] = (
    *(BASE[index] for index in (4, 5, 2, 6, 0, 1, 9, 7, 8)),
    (90, 60, 90),
)


def method_slot(name: str, known: Sequence[str]) -> int:
    """The number that decides how a method is drawn: its place among the known ones, else from its name.

    known: every method that there is, whichever of them are shown, so that a method looks the same in all
    plots. Others follow behind the colours of the first ten; two of those may share a colour.
    """
    if name in known:
        return known.index(name)
    return len(BASE) + zlib.crc32(name.encode(errors="backslashreplace")) % (COLOURS - len(BASE))


def method_colour(slot: int, shade: float = 0.0) -> Colour:
    """The colour (0..255) of the method in a slot >= 0.

    shade: -1..1, from black over its own colour to white, which tells its configurations apart.
    """
    target, share = _ROUNDS[slot // len(METHOD_COLOURS) % len(_ROUNDS)]
    own = [(1 - share) * value + share * target for value in METHOD_COLOURS[slot % len(METHOD_COLOURS)]]
    end = 255 if shade > 0 else 0
    red, green, blue = (round((1 - abs(shade)) * value + abs(shade) * end) for value in own)
    return red, green, blue
