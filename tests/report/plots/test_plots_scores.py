"""What the plots from records show, read back from the drawing, against numbers worked out by hand."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from plot_samples import block_of, record

from vis_bench.report.drawing.looks import looks
from vis_bench.report.plots.heat import category_figure
from vis_bench.report.plots.scores import errors_figure, seeds_figure


def _lines(axes: Axes, marker: str) -> list[Line2D]:
    return [line for line in axes.get_lines() if line.get_marker() == marker and len(line.get_xdata())]


def _x(line: Line2D) -> list[float]:
    return np.round(np.asarray(line.get_xdata(), dtype=float), 6).tolist()


def test_every_seed_is_a_dot_and_the_line_ends_at_the_t_interval() -> None:
    block = block_of(*(record("a", ap, seed) for seed, ap in enumerate((0.40, 0.42, 0.47))), record("b", 0.3))
    axes = seeds_figure(block).axes[0]
    dots = _lines(axes, "o")
    assert [_x(line) for line in dots] == [[40.0, 42.0, 47.0], [30.0]]
    assert [float(np.mean(line.get_ydata())) for line in dots] == [0.0, 1.0]
    # mean 43, sd sqrt((9 + 1 + 16) / 2) = 3.60555, t(0.975, 2) = 4.302653: 43 -+ 4.302653 * 3.60555 / sqrt(3)
    (mean,), (interval,) = _lines(axes, "|"), _lines(axes, "None")
    assert _x(mean) == [43.0]
    np.testing.assert_allclose(interval.get_xdata(), [34.04330, 51.95670], atol=1e-4)
    assert list(interval.get_ydata()) == [0, 0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a", "b"]


def test_error_bars_are_stacked_means_and_seeds_are_dots() -> None:
    block = block_of(
        record("a", 0.4, 0, missed=4, lost=1, identity_change=2, duplicate=7),
        record("a", 0.4, 1, missed=6, lost=3, identity_switch=1, duplicate=9),
        record("b", 0.3, 0, merged=5),
    )
    frames, identities, duplicates = errors_figure(block).axes

    def bars(axes: Axes) -> dict[str, list[tuple[float, float]]]:
        return {
            str(container.get_label()): [(bar.get_x(), bar.get_width()) for bar in container]
            for container in axes.containers
        }

    drawn = bars(frames)
    assert drawn["missed"] == [(0, 5), (0, 0)]
    assert drawn["lost"] == [(5, 2), (0, 0)]  # behind missed and late birth
    assert drawn["merged"] == [(7, 0), (0, 5)]
    assert bars(identities) == {"identity change": [(0, 1), (0, 0)], "identity switch": [(1, 0.5), (0, 0)]}
    assert bars(duplicates) == {"duplicate": [(0, 8), (0, 0)]}
    assert [_x(line) for axes in (frames, identities, duplicates) for line in _lines(axes, "o")] == [
        [5, 9], [2, 1], [7, 9],
    ]  # fmt: skip
    assert [text.get_text() for text in frames.texts] == ["7.0", "5.0"]


def test_category_map_has_the_mean_of_each_category_and_no_number_where_it_is_undefined() -> None:
    axes = category_figure(block_of(record("a", 0.4), record("a", 0.5, 1), record("b", 0.3))).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["disc", "a|b_c"]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["a", "b"]
    assert {(text.get_position(), text.get_text()) for text in axes.texts} == {
        ((0, 0), "45.0"), ((1, 0), "30.0"), ((0, 1), "-"), ((1, 1), "-"),
    }  # fmt: skip
    shades = axes.images[0].get_array()
    np.testing.assert_allclose(np.ma.filled(shades, np.nan), [[45, 30], [np.nan, np.nan]])
    assert axes.images[0].get_clim() == (0, 100)


def test_seeds_have_the_colour_of_their_method_and_hostile_names_are_drawn_as_they_are() -> None:
    block = block_of(record("_$x^2$", 0.4), record("<script>", 0.3))
    axes = seeds_figure(block).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == [r" _\$x^2\$", "<script>"]
    drawn = [line.get_color() for line in _lines(axes, "o")]
    assert drawn == [look.colour for look in looks([("_$x^2$", "tiny"), ("<script>", "tiny")])]
    assert drawn[0] != drawn[1]
