"""Colours of identities stay apart, for colour-blind readers too."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from vis_bench.report.drawing.palette import BACKGROUND, BASE, identity_colour

# Machado, Oliveira, Fernandes (2009), severity 1.0, acting on linear RGB.
SIGHT = {
    "normal": np.eye(3),
    "protanopia": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "deuteranopia": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
    "tritanopia": np.array(
        [
            [1.255528, -0.076749, -0.178779],
            [-0.078411, 0.930809, 0.147602],
            [0.004733, 0.691367, 0.303900],
        ]
    ),
}
TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
WHITE = np.array([0.95047, 1.0, 1.08883])


def _lab(colour: tuple[int, int, int], sight: np.ndarray) -> np.ndarray:
    value = np.array(colour) / 255
    linear = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    xyz = TO_XYZ @ np.clip(sight @ linear, 0, 1) / WHITE
    x, y, z = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz * (29 / 6) ** 2 / 3 + 4 / 29)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("sight", SIGHT)
def test_ten_colours_and_the_grey_stay_apart(sight: str) -> None:
    matrix = SIGHT[sight]
    distances = [
        float(np.linalg.norm(_lab(one, matrix) - _lab(two, matrix)))
        for one, two in combinations([*BASE, BACKGROUND], 2)
    ]
    assert len(BASE) == 10
    assert min(distances) >= 15


def test_colours_repeat_only_after_thirty() -> None:
    first = [identity_colour(index) for index in range(30)]
    assert len({*first, BACKGROUND}) == 31
    assert identity_colour(30) == first[0]
    assert all(sum(first[index + 10]) > sum(first[index]) > sum(first[index + 20]) for index in range(10))


def test_a_negative_index_is_refused() -> None:
    with pytest.raises(ValueError, match="negative"):
        identity_colour(-1)
