"""Colours of identities in pictures.

Seven colours are the palette of Okabe and Ito; the other three were searched so that every pair of the ten,
and each of them and the grey of background tracks, stays apart under simulated colour blindness (CIE76
distance of at least 15 for normal vision, protanopia, deuteranopia and tritanopia; a test computes it).

Source: M. Okabe, K. Ito, "Color Universal Design", 2008; simulation by G. Machado et al., "A
Physiologically-based Model for Simulation of Color Vision Deficiency", IEEE TVCG 2009, severity 1.0.
"""

from __future__ import annotations

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
