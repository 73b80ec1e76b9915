"""How a method is drawn, the same in every plot of every report: colour, marker and line.

The colour follows from the name of the method alone. Its configurations share the hue and differ in shade and
marker. Markers and lines tell methods apart without colours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from vis_bench.report.drawing.palette import method_colour, method_slot
from vis_bench.setup.plugins import OUR_PACKAGES, entry_point_module, method_names

_MARKERS = "osD^vPX<>p"
_LINES: tuple[Any, ...] = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)))
_DEEPEST = 0.55


@dataclass(frozen=True, slots=True)
class Look:
    """colour: red, green, blue in 0..1. marker, line: as matplotlib names them."""

    colour: tuple[float, float, float]
    marker: str
    line: Any


def looks(variants: Sequence[tuple[str, str]], known: Sequence[str] | None = None) -> tuple[Look, ...]:
    """The look of every (method, configuration) of a plot, in the order given.

    The shortest name of a configuration, as a rule what the others are variants of, has the plain colour.
    known: all methods, None for the installed ones.
    """
    names = known_methods() if known is None else known
    found = []
    for method, config in variants:
        configs = sorted(
            {other for name, other in variants if name == method}, key=lambda one: (len(one), one)
        )
        number, slot = configs.index(config), method_slot(method, names)
        red, green, blue = method_colour(slot, shade(number, len(configs)))
        place = slot + number
        found.append(
            Look(
                (red / 255, green / 255, blue / 255),
                _MARKERS[place % len(_MARKERS)],
                _LINES[place % len(_LINES)],
            )
        )
    return tuple(found)


def shade(number: int, count: int) -> float:
    """-0.55..0.55 of the configuration `number` among `count`: 0, then in turns lighter and darker."""
    if number == 0:
        return 0.0
    step = (number + 1) // 2 / max(1, count // 2)
    return _DEEPEST * step * (1 if number % 2 else -1)


def known_methods() -> tuple[str, ...]:
    """The installed methods; ours first, so that a plug-in changes no colour of theirs."""

    def foreign(name: str) -> bool:
        return (entry_point_module(name) or "").partition(".")[0] not in OUR_PACKAGES

    return tuple(sorted(method_names(), key=lambda name: (foreign(name), name)))
