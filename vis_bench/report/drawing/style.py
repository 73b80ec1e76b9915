"""What all plots of a report share: who gets which colour, marker and line, and how a figure is written.

Every method has a marker and a line of its own, so a plot can be read without its colours.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from vis_bench.files import write_bytes
from vis_bench.report.drawing.palette import BASE
from vis_bench.report.drawing.small_png import small_png
from vis_bench.report.tables.text import one_line, shorten

INK = "#222222"
GREY = "#8a8a8a"
FAINT = "#e4e4e4"
DOTS_PER_INCH = 130
WIDTH_INCHES = 7.2
LABEL_WIDTH = 26
_MARKERS = "osD^vPX<>p"
_LINES: tuple[Any, ...] = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)))
# yellow comes last: it is the faintest on white
_ORDER = (4, 5, 2, 6, 0, 1, 9, 7, 8, 3)
HATCHES = ("", "//", "..", "xx", "\\\\", "oo", "++", "--")


def colour(index: int) -> tuple[float, float, float]:
    """Red, green, blue in 0..1 of the method at this place of the table."""
    red, green, blue = BASE[_ORDER[index % len(_ORDER)]]
    return red / 255, green / 255, blue / 255


def marker(index: int) -> str:
    """The marker of the method at this place of the table."""
    return _MARKERS[index % len(_MARKERS)]


def line_style(index: int) -> Any:
    """The dashes of the method at this place of the table."""
    return _LINES[index % len(_LINES)]


def plain(label: str) -> str:
    """A name that matplotlib draws letter by letter: no mathematics, no hidden entry of a legend."""
    text = shorten(one_line(label), LABEL_WIDTH).replace("$", r"\$")
    return f" {text}" if text.startswith("_") else text


def new_figure(height_inches: float, columns: int = 1, rows: int = 1, **options: Any) -> tuple[Figure, Any]:
    """A figure without global state, and its axes [rows, columns]; options as for `Figure.subplots`."""
    figure = Figure(figsize=(WIDTH_INCHES, height_inches), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False, **options)
    for one in axes.flat:
        quiet(one)
    return figure, axes


def quiet(axes: Axes, grid: str = "both") -> None:
    """Two axis lines and a faint grid behind the data."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(GREY)
    axes.tick_params(colors=INK, labelsize=8)
    axes.grid(True, axis="both", color=FAINT, linewidth=0.6)
    axes.set_axisbelow(True)
    if grid != "both":
        axes.grid(False, axis="y" if grid == "x" else "x")


def legend_below(figure: Figure, axes: Axes) -> None:
    """One legend of all methods under the figure."""
    handles, labels = axes.get_legend_handles_labels()
    columns = min(4, max(1, len(labels)))
    figure.legend(
        handles, labels, loc="outside lower center", ncols=columns, frameon=False, fontsize=8, handlelength=3
    )


def write_figure(path: Path, figure: Figure) -> None:
    """Write a PNG on white; the same figure gives the same bytes."""
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        # a name in a script that the font lacks is drawn as boxes; the tables have it in full
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        figure.savefig(
            buffer, format="png", dpi=DOTS_PER_INCH, facecolor="white", metadata={"Software": None}
        )
    with Image.open(buffer) as image:
        write_bytes(path, small_png(image))


def name_rows(axes: Axes, labels: Sequence[str]) -> None:
    """Names on the vertical axis, the first at the top."""
    axes.set_yticks(range(len(labels)), [plain(label) for label in labels])
    axes.set_ylim(len(labels) - 0.5, -0.5)
