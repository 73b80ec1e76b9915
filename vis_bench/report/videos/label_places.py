"""Where the labels of regions go in a frame: beside their region, and never over one another."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

Rectangle = tuple[float, float, float, float]
"""Left, top, right, bottom in pixels."""

BETWEEN_PX = 1
NEAR_PX = 6.0
"""A label further from its region than this needs a line to it."""
_STEP_PX = 3
_MOST_STEPS = 60
"""Places to try across and down: a frame of many tracks is drawn in milliseconds, whatever its size."""


def free_place(
    region: Rectangle, size: tuple[float, float], frame: tuple[int, int], taken: Sequence[Rectangle]
) -> Rectangle | None:
    """The free place for a label nearest to the rectangle of its region; None where there is none.

    size: width and height of the label. frame: [H, W], inside which it stays. taken: what it may not cover.
    Above the region first, then below it, then beside it, then anywhere by distance, upper and left ones
    first among equals. The same arguments give the same place.
    """
    width, height = size
    if width > frame[1] or height > frame[0]:
        return None
    left, top, right, bottom = region
    beside = np.array(
        [
            (left, top - height),
            (left, bottom + 1),
            (right - width, top - height),
            (right - width, bottom + 1),
            (right + 1, top),
            (left - width - 1, top),
        ]
    )
    limits = np.array([frame[1] - width, frame[0] - height])
    # what would leave the frame is moved to its edge, where it may cover a part of the region
    corners = beside.clip(0, limits)
    free = _free(corners, size, taken)
    if not free.any():
        corners = _grid(limits)
        corners = corners[_free(corners, size, taken)]
        if not len(corners):
            return None
        free = _nearest(corners, region, size)
    x, y = (float(value) for value in corners[free.argmax()])
    return x, y, x + width, y + height


def _free(corners: np.ndarray, size: tuple[float, float], taken: Sequence[Rectangle]) -> np.ndarray:
    """[N] bool: which labels with these upper left corners [N, 2] cover nothing that is taken."""
    width, height = size
    free = np.ones(len(corners), dtype=bool)
    for one in taken:
        free &= (
            (corners[:, 0] >= one[2] + BETWEEN_PX)
            | (corners[:, 0] + width + BETWEEN_PX <= one[0])
            | (corners[:, 1] >= one[3] + BETWEEN_PX)
            | (corners[:, 1] + height + BETWEEN_PX <= one[1])
        )
    return free


def gap(one: Rectangle, other: Rectangle) -> float:
    """Pixels between two rectangles, 0 where they touch."""
    across = max(0.0, other[0] - one[2], one[0] - other[2])
    down = max(0.0, other[1] - one[3], one[1] - other[3])
    return float(np.hypot(across, down))


def nearest_point(room: Rectangle, point: tuple[float, float]) -> tuple[float, float]:
    """Of a rectangle the point that is nearest to another one: where a line to it starts."""
    return min(max(point[0], room[0]), room[2]), min(max(point[1], room[1]), room[3])


def _grid(limits: np.ndarray) -> np.ndarray:
    """Corners [N, 2] all over the frame, up to the last one that is inside, row by row."""
    steps = np.maximum(_STEP_PX, limits / _MOST_STEPS)
    xs, ys = (np.arange(0, limit + 1, step) for limit, step in zip(limits, steps, strict=True))
    return np.stack(np.meshgrid(xs, ys), axis=-1).reshape(-1, 2)


def _nearest(corners: np.ndarray, region: Rectangle, size: tuple[float, float]) -> np.ndarray:
    """[N] bool: the labels that are nearest to the region."""
    left, top, right, bottom = region
    across = np.maximum(0, np.maximum(left - corners[:, 0] - size[0], corners[:, 0] - right))
    down = np.maximum(0, np.maximum(top - corners[:, 1] - size[1], corners[:, 1] - bottom))
    distances = np.hypot(across, down).round(3)
    nearest: np.ndarray = distances == distances.min()
    return nearest
