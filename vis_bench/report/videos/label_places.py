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
    corners = np.concatenate([beside.clip(0, limits), _by_distance(region, size, limits)])
    free = np.ones(len(corners), dtype=bool)
    for one in taken:
        free &= (
            (corners[:, 0] >= one[2] + BETWEEN_PX)
            | (corners[:, 0] + width + BETWEEN_PX <= one[0])
            | (corners[:, 1] >= one[3] + BETWEEN_PX)
            | (corners[:, 1] + height + BETWEEN_PX <= one[1])
        )
    if not free.any():
        return None
    x, y = (float(value) for value in corners[free.argmax()])
    return x, y, x + width, y + height


def gap(one: Rectangle, other: Rectangle) -> float:
    """Pixels between two rectangles, 0 where they touch."""
    across = max(0.0, other[0] - one[2], one[0] - other[2])
    down = max(0.0, other[1] - one[3], one[1] - other[3])
    return float(np.hypot(across, down))


def nearest_point(room: Rectangle, point: tuple[float, float]) -> tuple[float, float]:
    """Of a rectangle the point that is nearest to another one: where a line to it starts."""
    return min(max(point[0], room[0]), room[2]), min(max(point[1], room[1]), room[3])


def _by_distance(region: Rectangle, size: tuple[float, float], limits: np.ndarray) -> np.ndarray:
    """Corners [N, 2] all over the frame, those of labels near to the region first."""
    xs, ys = (np.arange(0, limit + 1, _STEP_PX) for limit in limits)
    corners = np.stack(np.meshgrid(xs, ys), axis=-1).reshape(-1, 2)
    left, top, right, bottom = region
    across = np.maximum(0, np.maximum(left - corners[:, 0] - size[0], corners[:, 0] - right))
    down = np.maximum(0, np.maximum(top - corners[:, 1] - size[1], corners[:, 1] - bottom))
    return corners[np.argsort(np.hypot(across, down).round(3), kind="stable")]
