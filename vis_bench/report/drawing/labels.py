"""Names beside the points of a plot: where each goes, so that none covers a point or another name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from vis_bench.report.drawing.style import GREY, INK

_DISTANCES_PX = (9.0, 14.0, 20.0, 28.0, 38.0, 50.0, 64.0, 80.0, 100.0)
_ANGLES = (0, 180, 90, 270, 45, 315, 135, 225, 20, 340, 160, 200, 70, 110, 250, 290)
_FAR_PX = 15.0
_BETWEEN_PX = 2.0
_GRID = 40


def label_points(
    figure: Figure,
    axes: Axes,
    points: Sequence[tuple[float, float]],
    texts: Sequence[str],
    marks: np.ndarray,
) -> None:
    """Write a name beside every point, with a thin line to it where it stands further off.

    points: in data. marks: [N, 3] x, y in data and radius in pixels of what no name may cover. The limits of
    the axes must be final.
    """
    FigureCanvasAgg(figure)
    drawn = [
        axes.annotate(text, point, xytext=(0, 0), textcoords="offset pixels", fontsize=8, color=INK, zorder=5)
        for text, point in zip(texts, points, strict=True)
    ]
    for one in drawn:
        one.set_in_layout(False)  # the layout was made without them, and they fit into it
    figure.draw_without_rendering()
    sizes = np.array([[box.width, box.height] for box in (one.get_window_extent() for one in drawn)])
    at = axes.transData.transform(np.array(points, dtype=float).reshape(-1, 2))
    kept = np.column_stack([axes.transData.transform(marks[:, :2]), marks[:, 2]])
    room = axes.get_window_extent()
    corners = place_labels(at, sizes, kept, (room.x0, room.y0, room.x1, room.y1))
    points_per_pixel = 72 / figure.dpi
    for one, point, corner, size in zip(drawn, at, corners, sizes, strict=True):
        one.remove()
        shift = (corner - point) * points_per_pixel
        near = np.clip(point, corner, corner + size)
        far = float(np.hypot(*(near - point))) > _FAR_PX
        text = axes.annotate(
            one.get_text(), one.xy, xytext=tuple(shift), textcoords="offset points", fontsize=8, color=INK,
            zorder=5, annotation_clip=False,
        )  # fmt: skip
        text.set_in_layout(False)
        if far:
            line = axes.annotate(
                "", one.xy, xytext=tuple((near - point) * points_per_pixel), textcoords="offset points",
                arrowprops={"arrowstyle": "-", "color": GREY, "linewidth": 0.6, "shrinkA": 0, "shrinkB": 0},
                zorder=1,
            )  # fmt: skip
            line.set_in_layout(False)


def place_labels(
    points: np.ndarray, sizes: np.ndarray, marks: np.ndarray, room: tuple[float, float, float, float]
) -> np.ndarray:
    """Lower left corners [N, 2] of labels in pixels.

    points: [N, 2] what they belong to. sizes: [N, 2] width and height. marks: [M, 3] x, y, radius of what is
    not to be covered. room: left, bottom, right, top, inside which they stay. Those with the most marks
    around them choose first; each takes the nearest free place, and the least covered one where none is free.
    """
    crowd = [np.hypot(*(marks[:, :2] - point).T) for point in points]
    order = sorted(range(len(points)), key=lambda n: (-int((crowd[n] < 60).sum()), n))
    corners = np.zeros((len(points), 2))
    placed: list[np.ndarray] = []
    for n in order:
        best, least = None, np.inf
        for corner in _places(points[n], sizes[n], room):
            cost = _covered(corner, sizes[n], placed, marks)
            if cost < least:
                best, least = corner, cost
            if cost == 0:
                break
        corners[n] = points[n] if best is None else best
        placed.append(np.concatenate([corners[n], corners[n] + sizes[n]]))
    return corners


def _places(
    point: np.ndarray, size: np.ndarray, room: tuple[float, float, float, float]
) -> Iterator[np.ndarray]:
    """Corners inside the room, around the point first, then anywhere by distance."""
    low, high = np.array(room[:2]), np.array(room[2:]) - size
    for distance in _DISTANCES_PX:
        for angle in _ANGLES:
            way = np.array([np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))]).round(9)
            # the side of the label that faces the point stands at the distance
            corner = point + distance * way - size / 2 + size / 2 * np.sign(way)
            if (corner >= low).all() and (corner <= high).all():
                yield corner
    if (high < low).any():
        return
    grid = np.stack(np.meshgrid(*np.linspace(low, high, _GRID).T), axis=-1).reshape(-1, 2)
    yield from grid[np.argsort(np.hypot(*(grid + size / 2 - point).T), kind="stable")]


def _covered(corner: np.ndarray, size: np.ndarray, placed: Sequence[np.ndarray], marks: np.ndarray) -> float:
    """Square pixels of labels and marks under a label; 0 where it is free."""
    others = [*placed, *(np.array([x - r, y - r, x + r, y + r]) for x, y, r in marks)]
    total = 0.0
    for other in others:
        width = min(corner[0] + size[0], other[2]) - max(corner[0], other[0]) + _BETWEEN_PX
        height = min(corner[1] + size[1], other[3]) - max(corner[1], other[1]) + _BETWEEN_PX
        if width > 0 and height > 0:
            total += width * height
    return total
