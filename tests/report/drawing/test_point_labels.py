"""Where names go beside points, in pixels."""

from __future__ import annotations

import numpy as np

from vis_bench.report.drawing.labels import place_labels

ROOM = (0.0, 0.0, 400.0, 300.0)
SIZE = np.array([[40.0, 10.0]])


def test_a_lone_name_stands_right_of_its_point_and_left_of_one_at_the_edge() -> None:
    point = np.array([[200.0, 100.0]])
    assert place_labels(point, SIZE, np.zeros((0, 3)), ROOM).tolist() == [[209.0, 95.0]]
    edge = np.array([[390.0, 100.0]])
    assert place_labels(edge, SIZE, np.zeros((0, 3)), ROOM).tolist() == [[341.0, 95.0]]


def test_a_name_covers_no_mark() -> None:
    """A mark on the right: the name goes to the left, the next direction."""
    point, mark = np.array([[200.0, 100.0]]), np.array([[220.0, 100.0, 4.0]])
    assert place_labels(point, SIZE, mark, ROOM).tolist() == [[151.0, 95.0]]


def test_many_names_at_one_point_are_apart_and_inside() -> None:
    points, sizes = np.tile([[200.0, 150.0]], (20, 1)), np.tile(SIZE, (20, 1))
    corners = place_labels(points, sizes, np.array([[200.0, 150.0, 6.0]]), ROOM)
    for i, a in enumerate(corners):
        assert (a >= 0).all()
        assert (a + SIZE[0] <= (400, 300)).all()
        for b in corners[i + 1 :]:
            assert (np.abs(a - b) >= SIZE[0]).any()
