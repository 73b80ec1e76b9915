"""AP against its cost: every method has its name beside its point, and nothing lies beyond the range."""

from __future__ import annotations

import io

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from plot_samples import block_of, record

from vis_bench.report.drawing.looks import looks
from vis_bench.report.plots.tradeoffs import fps_figure


def _names(axes: Axes) -> dict[str, tuple[float, float]]:
    """The point of every name; the thin lines to it have no text."""
    return {text.get_text(): (round(text.xy[0], 6), text.xy[1]) for text in axes.texts if text.get_text()}


def _boxes(figure: Figure) -> list[tuple[float, float, float, float]]:
    figure.savefig(io.BytesIO(), format="png", dpi=figure.dpi)
    return [text.get_window_extent().extents for text in figure.axes[0].texts if text.get_text()]


def test_ap_stands_against_frames_per_second_with_a_dot_per_seed() -> None:
    """960 frames in 9.6 and 4.8 s: 100 and 200 frames per second, mean 150; in 19.2 s: 50."""
    block = block_of(record("a", 0.4), record("a", 0.5, 1, seconds=4.8), record("b", 0.3, seconds=19.2))
    axes = fps_figure(block).axes[0]
    dots, first, second = axes.get_lines()
    assert dots.get_marker() == "."
    assert np.round(dots.get_xdata(), 6).tolist() == [100.0, 200.0]
    assert list(dots.get_ydata()) == [40.0, 50.0]
    assert _names(axes) == {"a": (150.0, 45.0), "b": (50.0, 30.0)}
    drawn = looks([("a", "tiny"), ("b", "tiny")])
    assert [first.get_color(), second.get_color()] == [look.colour for look in drawn]
    assert axes.get_xlabel().startswith("frames per second")
    assert axes.get_legend() is None
    assert fps_figure(block_of(record("a", None))) is None


def test_axes_end_where_the_range_of_ap_ends() -> None:
    low = fps_figure(block_of(record("a", 0.0), record("b", 0.3))).axes[0]
    assert (low.get_ylim()[0], low.get_xlim()[0]) == (0.0, 0.0)
    high = fps_figure(block_of(record("a", 1.0), record("b", 0.3))).axes[0]
    assert high.get_ylim()[1] == 100.0


def test_names_of_crowded_points_cover_neither_each_other_nor_leave_the_figure() -> None:
    records = [record(f"method_{n}", 0.3 + 0.002 * n, seconds=9.6 + 0.05 * n) for n in range(12)]
    figure = fps_figure(block_of(*records, record("far", 0.9, seconds=96.0)))
    boxes = _boxes(figure)
    assert len(boxes) == 13
    for i, a in enumerate(boxes):
        for b in boxes[i + 1 :]:
            assert min(a[2], b[2]) <= max(a[0], b[0]) or min(a[3], b[3]) <= max(a[1], b[1])
    width, height = figure.bbox.width, figure.bbox.height
    assert all(x0 >= 0 and x1 <= width and y0 >= 0 and y1 <= height for x0, y0, x1, y1 in boxes)
