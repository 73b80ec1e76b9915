"""Signed distances of the five shapes, all of about the same area for the same radius."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

# The farthest point of any shape from its centre, in radii.
REACH = 1.25


def disc(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Signed distance to a circle of radius 0.92; x, y: any shape, in radii; negative inside."""
    return np.sqrt(x * x + y * y) - 0.92


def square(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Distance to the nearest side of a square of half side 0.82; negative inside."""
    return np.maximum(np.abs(x), np.abs(y)) - 0.82


def triangle(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Distance to the nearest side of an equilateral triangle, inscribed circle 0.625; negative inside."""
    slanted = np.abs(x) * (np.sqrt(3.0) / 2.0) - y * 0.5
    return np.maximum(slanted, y) - 0.625


def star(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Distance to the nearest side of a five-pointed star, tips at 1.25, notches at 0.6; negative inside."""
    sector = 2.0 * np.pi / 5.0
    angle = np.abs(np.mod(np.arctan2(x, -y) + sector / 2.0, sector) - sector / 2.0)
    radius = np.sqrt(x * x + y * y)
    tip = np.array([1.25, 0.0])
    notch = 0.6 * np.array([np.cos(sector / 2.0), np.sin(sector / 2.0)])
    side = (notch - tip) / np.hypot(*(notch - tip))
    # (side_y, -side_x) points outwards: away from the centre on the side between tip and notch.
    return side[1] * (radius * np.cos(angle) - tip[0]) - side[0] * (radius * np.sin(angle) - tip[1])


def cross(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Distance to the outline of a plus sign, arms 1.08 long and 0.76 wide; negative inside."""
    u, v = np.abs(x), np.abs(y)
    return np.minimum(np.maximum(u - 1.08, v - 0.38), np.maximum(u - 0.38, v - 1.08))


OUTLINES: Mapping[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = MappingProxyType(
    {"disc": disc, "square": square, "triangle": triangle, "star": star, "cross": cross}
)
