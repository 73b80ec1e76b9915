"""Paths of synthetic objects: numbers worked out by hand, and properties that hold for any draw."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vis_bench.data.shapes import motion

numbers = st.floats(-1e4, 1e4)


@pytest.mark.parametrize(
    ("value", "expected"), [(3.0, 3.0), (12.0, 8.0), (18.0, 2.0), (-3.0, 3.0), (25.0, 5.0), (0.0, 0.0)]
)
def test_folding_reflects_at_both_ends(value: float, expected: float) -> None:
    assert motion.folded(np.array([value]), 0.0, 10.0)[0] == pytest.approx(expected)


@given(numbers, numbers, st.floats(-50.0, 50.0), st.floats(1.0, 200.0))
def test_folding_stays_inside_and_never_jumps(a: float, b: float, low: float, span: float) -> None:
    folded = motion.folded(np.array([a, b]), low, low + span)
    assert (folded >= low - 1e-6).all()
    assert (folded <= low + span + 1e-6).all()
    assert abs(folded[0] - folded[1]) <= abs(a - b) + 1e-6


def test_straight_path_passes_the_anchor() -> None:
    path = motion.straight_path(5, np.array([10.0, 20.0]), 2.0, np.array([3.0, -1.0]))
    assert path.tolist() == [[4.0, 22.0], [7.0, 21.0], [10.0, 20.0], [13.0, 19.0], [16.0, 18.0]]


def test_sway_is_sideways_and_zero_at_the_anchor() -> None:
    # A quarter of the period of 16 frames after the anchor the displacement is the amplitude.
    offsets = motion.sway(12, 4.0, heading_rad=0.0, amplitude_px=5.0, phase_rad=0.0)
    assert offsets[4].tolist() == [0.0, 0.0]
    assert offsets[8] == pytest.approx([0.0, 5.0])
    assert np.abs(offsets[:, 0]).max() == 0.0


def test_away_weight_by_hand() -> None:
    # Away in frames 4 and 5, two frames each way; half way the smooth step is 1/2.
    weight = motion.away_weight(10, first_away=4, away_frames=2, ramp_frames=2)
    assert weight.tolist() == [0.0, 0.0, 0.0, 0.5, 1.0, 1.0, 0.5, 0.0, 0.0, 0.0]


@pytest.mark.parametrize(
    ("centre", "outside"),
    [((5, 40), (-20, 40)), ((150, 50), (180, 50)), ((80, 9), (80, -20)), ((80, 90), (80, 116))],
)
def test_excursions_use_the_nearest_edge(centre: tuple[int, int], outside: tuple[int, int]) -> None:
    centres = np.tile(np.array(centre, dtype=float), (3, 1))
    moved = motion.excursion(centres, np.array([0.0, 0.5, 1.0]), 2, 20.0, (96, 160))
    assert moved[0].tolist() == list(centre)
    assert moved[1].tolist() == [(a + b) / 2 for a, b in zip(centre, outside, strict=True)]
    assert moved[2].tolist() == list(outside)


def test_scale_sweep_reaches_both_ends() -> None:
    scale = motion.scale_sweep(21, 0.75, 1.35, half_period_frames=10.0, phase_rad=0.0)
    assert scale[[0, 5, 10, 20]] == pytest.approx([0.75, 1.05, 1.35, 0.75])


def test_background_pan_by_hand() -> None:
    pan = motion.background_pan(6, np.array([8.0, 4.0]), np.array([20.0, 4.0]), np.array([0.0, np.pi / 2]))
    assert pan[5] == pytest.approx([8.0, 0.0])
    assert pan[4] == pytest.approx([8.0 * np.sin(0.4 * np.pi), 4.0])
