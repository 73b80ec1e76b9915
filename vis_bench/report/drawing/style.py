"""What all plots of a report share: sizes, colours of all but methods, axes, and how a figure is written."""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

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
# yellow comes last: it is the faintest on white
_ORDER = (4, 5, 2, 6, 0, 1, 9, 7, 8, 3)
HATCHES = ("", "//", "..", "xx", "\\\\", "oo", "++", "--")


def colour(index: int) -> tuple[float, float, float]:
    """Red, green, blue in 0..1 of a kind of error, a metric, a shade; methods have `looks`."""
    red, green, blue = BASE[_ORDER[index % len(_ORDER)]]
    return red / 255, green / 255, blue / 255


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
    axes.xaxis.label.set_fontsize(9)
    axes.yaxis.label.set_fontsize(9)
    axes.grid(True, axis="both", color=FAINT, linewidth=0.6)
    axes.set_axisbelow(True)
    if grid != "both":
        axes.grid(False, axis="y" if grid == "x" else "x")


def fit(axes: Axes, low: float, high: float, axis: Literal["x", "y"] = "y") -> None:
    """Cut the limits of an axis, as its data have made them, at the ends of the range of what it shows."""
    least, largest = axes.get_ylim() if axis == "y" else axes.get_xlim()
    (axes.set_ylim if axis == "y" else axes.set_xlim)(max(low, least), min(high, largest))


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
