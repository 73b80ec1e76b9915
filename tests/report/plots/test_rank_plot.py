"""Mean ranks and the groups that no verdict parts, by hand."""

from __future__ import annotations

import numpy as np
from plot_samples import block_of, record
from value_samples import scored, squares

from vis_bench.metrics.slices import video_slices
from vis_bench.report.drawing.looks import looks
from vis_bench.report.plots.all_plots import write_plots
from vis_bench.report.plots.rank_figure import ranks_figure
from vis_bench.report.plots.ranks import mean_ranks, ranks, standings, unparted
from vis_bench.report.plots.values import BlockValues

RIGHT, WRONG = 0, 60


def test_mean_ranks_of_a_small_table() -> None:
    """Video 1: 0.9, 0.5, 0.5; video 2: 0.2, 0.8, 0.1. Equal ones share the mean of places 2 and 3."""
    values = np.array([[[0.9, 0.2], [0.5, 0.8], [0.5 + 1e-12, 0.1]]])
    assert ranks(values).tolist() == [[[1, 2], [2.5, 1], [2.5, 3]]]
    means, draws = mean_ranks(values, np.array([[2.0, 0.0], [0.0, 2.0], [1.0, 1.0], [0.0, 0.0]]))
    assert means.tolist() == [[1.5, 1.75, 2.75]]
    assert draws[0].tolist() == [[1, 2, 1.5, 1.5], [2.5, 1, 1.75, 1.75], [2.5, 3, 2.75, 2.75]]


def test_groups_are_the_largest_ones_without_a_verdict_between_any_two() -> None:
    assert unparted(4, {(0, 2), (0, 3)}) == [(0, 1), (1, 2, 3)]
    assert unparted(3, set()) == [(0, 1, 2)]
    assert unparted(3, {(0, 1), (0, 2), (1, 2)}) == []
    assert unparted(4, {(0, 1), (2, 3)}) == [(0, 2), (0, 3), (1, 2), (1, 3)]


def _three_methods():
    """a finds every object, b its twin does, c finds none, in two seeds and eight videos."""
    dataset = squares(8)
    columns = {"a": RIGHT, "b": RIGHT, "c": WRONG}
    block = block_of(
        *(record(name, ap, seed) for name, ap in zip("abc", (0.9, 0.8, 0.1), strict=True) for seed in (0, 1))
    )
    rows = {
        place: tuple(
            scored(dataset, [(v, 0.9, columns[row.method]) for v in range(1, 9)], seed) for seed in (0, 1)
        )
        for place, row in enumerate(block.rows)
    }
    return block, rows


def test_twins_share_their_ranks_and_stand_in_one_group() -> None:
    """In every video a and b tie at 1.5 and c is third; nothing varies, so the intervals have no width."""
    block, rows = _three_methods()
    found = standings(block, rows)
    assert [(one.place, one.mean, one.low, one.high) for one in found.methods] == [
        (0, 1.5, 1.5, 1.5), (1, 1.5, 1.5, 1.5), (2, 3.0, 3.0, 3.0),
    ]  # fmt: skip
    assert found.groups == ((0, 1),)  # equivalent; c is worse than both by a verdict
    assert (found.seeds, found.videos) == ((0, 1), 8)


def test_only_seeds_that_all_have_count_and_one_method_has_no_rank() -> None:
    block, rows = _three_methods()
    fewer = {**rows, 2: rows[2][1:]}
    assert standings(block, fewer).seeds == (1,)
    assert standings(block, {0: rows[0][:1], 1: rows[1][1:]}) is None
    assert standings(block, {0: rows[0]}) is None


def test_the_figure_has_a_row_per_method_and_a_bar_with_a_dot_at_each_member() -> None:
    block, rows = _three_methods()
    figure = ranks_figure(block, standings(block, rows))
    axes, bars = figure.axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a", "b", "c"]
    marks = [line for line in axes.get_lines() if len(line.get_xdata()) == 1]
    assert [line.get_xdata()[0] for line in marks] == [1.5, 1.5, 3.0]
    assert [line.get_color() for line in marks] == [
        look.colour for look in looks([(name, "tiny") for name in "abc"])
    ]
    bar, dots = bars.get_lines()
    assert (list(bar.get_ydata()), list(dots.get_ydata())) == ([0, 1], [0, 1])
    assert axes.get_xlim() == (1, 3)


def test_the_report_has_the_ranks_and_says_which_seeds_they_are_of(tmp_path) -> None:
    block, rows = _three_methods()
    values = BlockValues(video_slices(squares(8)), rows, ())
    plots = {plot.path.name: plot for plot in write_plots(tmp_path, 1, block, values).plots}
    assert "what other videos and seeds would give" in plots["1-ranks.png"].about
    assert plots["1-ranks.png"].about.endswith("Seeds: 0, 1.")
    assert "1-calibration.png" in plots
    one_seed = {place: runs[:1] for place, runs in rows.items()}
    plots = {
        plot.path.name: plot
        for plot in write_plots(tmp_path, 1, block, BlockValues(values.slices, one_seed, ())).plots
    }
    assert "no claim on training" in plots["1-ranks.png"].about
