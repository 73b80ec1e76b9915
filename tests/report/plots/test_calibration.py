"""Bins of scores and the share of tracks in them that is right, by hand."""

from __future__ import annotations

import numpy as np
from plot_samples import block_of, record
from value_samples import scored, squares

from vis_bench.report.plots.calibration import calibration, calibration_figure, run_calibration

RIGHT, WRONG = 0, 60


def test_bins_of_hand_made_scores() -> None:
    """An edge belongs below, as a threshold of 0.1 leaves a score of 0.1 out; beyond 0..1 are the ends."""
    scores = np.array([0.05, 0.1, 0.1 + 1e-6, 0.3, 0.95, 1.0, 1.7, -1.0, 0.0])
    right = np.array([True, False, True, True, True, False, True, False, False])
    found = calibration(scores, right)
    assert found.tracks.tolist() == [4, 1, 1, 0, 0, 0, 0, 0, 0, 3]
    assert found.right.tolist() == [1, 1, 1, 0, 0, 0, 0, 0, 0, 2]
    np.testing.assert_allclose(found.precision, [1 / 4, 1, 1, *[np.nan] * 6, 2 / 3])


def test_tracks_of_all_seeds_count_and_a_second_one_on_an_object_is_wrong() -> None:
    dataset = squares(2)
    first = scored(dataset, [(1, 0.95, RIGHT), (1, 0.65, RIGHT), (2, 0.95, WRONG)])
    second = scored(dataset, [(1, 0.62, RIGHT)], seed=1)
    found = run_calibration([first, second])
    assert found.tracks.tolist() == [0] * 6 + [2, 0, 0, 2]
    assert found.right.tolist() == [0] * 6 + [1, 0, 0, 1]


def test_the_panel_has_bars_counts_and_the_operating_points() -> None:
    dataset = squares(2)
    runs = [scored(dataset, [(1, 0.95, RIGHT), (2, 0.95, WRONG), (2, 0.35, RIGHT)])]
    axes = calibration_figure(block_of(record("a", 0.4)), {0: runs}).axes[0]
    assert [(round(bar.get_x() + bar.get_width() / 2, 2), bar.get_height()) for bar in axes.patches] == [
        (0.35, 100.0), (0.95, 50.0),
    ]  # fmt: skip
    assert {bar.get_alpha() for bar in axes.patches} == {0.35}  # fewer than ten tracks each
    assert [text.get_text() for text in axes.texts] == ["1", "2"]
    upright = [line for line in axes.get_lines() if line.get_linestyle() == "--"]
    assert [list(line.get_xdata()) for line in upright] == [[runs[0].thresholds[0]] * 2]
    assert (axes.get_xlim(), axes.get_ylim()) == ((0.0, 1.0), (0.0, 100.0))
    assert calibration_figure(block_of(record("a", 0.4)), {}) is None
