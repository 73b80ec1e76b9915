"""The colours of the pages: text is readable on every ground, in both themes (WCAG 2.2, AA)."""

from __future__ import annotations

import re
from importlib.resources import files

import pytest

STYLES = {
    path.name: path.read_text(encoding="utf-8")
    for path in files("vis_bench.report.formats").joinpath("templates").iterdir()
    if path.name.endswith(".css")
}
PAIR = re.compile(r"--([\w-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\)")
COLOURS = {name: (light, dark) for name, light, dark in PAIR.findall(STYLES["report.css"])}
TEXT, EDGE = 4.5, 3.0
GROUNDS = ("paper", "band")
PAIRS = [
    *((ink, ground, TEXT) for ink in ("ink", "soft", "mark", "bad", "good") for ground in GROUNDS),
    *(("on-fill", fill, TEXT) for fill in COLOURS if fill.startswith("fill-")),
    *((edge, ground, EDGE) for edge in ("edge", "mark", "bad") for ground in GROUNDS),
]


def luminance(colour: str) -> float:
    """Relative luminance of `#rrggbb`, 0..1."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(first: str, second: str) -> float:
    """1..21, whichever of the two is lighter."""
    low, high = sorted((luminance(first), luminance(second)))
    return (high + 0.05) / (low + 0.05)


def test_contrast_of_known_colours() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(("ink", "ground", "least"), PAIRS)
def test_text_and_edges_stand_out(ink: str, ground: str, least: float, theme: int) -> None:
    assert contrast(COLOURS[ink][theme], COLOURS[ground][theme]) >= least


def test_every_colour_of_the_pages_is_of_the_palette() -> None:
    """A colour written elsewhere would have no second theme; black, white and shadows have none."""
    used = {name for text in STYLES.values() for name in re.findall(r"var\(--([\w-]+)\)", text)}
    # the width of a picture, which its own tag has
    assert used - {"drawn"} == set(COLOURS)
    rest = "".join(PAIR.sub("", text) for text in STYLES.values())
    assert set(re.findall(r"#[0-9a-fA-F]{3,8}\b(?=[;, )])", rest)) <= {"#000", "#fff"}
    assert "prefers-color-scheme" not in rest
