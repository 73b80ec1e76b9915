"""Embeddings of detections: which object they show, the share that agrees, and the principal axes."""

from __future__ import annotations

import numpy as np
import pytest

from vis_bench.masks import rle
from vis_bench.method import RawDetections
from vis_bench.report.plots.embeddings import (
    VideoEmbeddings,
    neighbour_agreement,
    principal_plane,
    video_embeddings,
)
from vis_bench.types import Rle, TruthTrack, Video

VIDEO = Video(1, "v", 40, 10, ("v/0.png", "v/1.png"))


def _mask(column: int, width: int = 4) -> Rle:
    mask = np.zeros((10, 40), dtype=bool)
    mask[2:8, column : column + width] = True
    return rle.encode(mask)


def _detections(*found: tuple[float, Rle | None, tuple[float, ...]]) -> RawDetections:
    """(score, mask, embedding) each; boxes are wrong on purpose, masks decide."""
    return RawDetections(
        np.array([score for score, *_ in found]),
        np.zeros(len(found), dtype=np.int64),
        np.tile([30.0, 0.0, 34.0, 10.0], (len(found), 1)),
        np.array([e for *_, e in found], dtype=float).reshape(len(found), 2),
        tuple(mask for _, mask, _ in found),
    )


def test_a_detection_shows_the_object_of_the_highest_iou_from_one_half_on() -> None:
    truth = [
        TruthTrack(
            n, 1, 1, False, (_mask(column), None if n == 9 else _mask(column)), (None,) * 2, (24.0,) * 2
        )
        for n, column in ((7, 0), (9, 10))
    ]
    frames = (
        _detections(
            (0.9, _mask(10), (1.0, 2.0)),  # the second object
            (0.9, _mask(1), (3.0, 4.0)),  # 3 of 5 columns shared with the first: IoU 0.6
            (0.9, _mask(2), (5.0, 6.0)),  # 2 of 6: IoU 1/3, background
            (0.3, _mask(0), (7.0, 8.0)),  # not above 0.3
            (0.9, None, (9.0, 9.0)),  # nothing to compare
        ),
        _detections((0.4, _mask(10), (1.0, 1.0))),  # the second object is hidden here
    )
    found = video_embeddings(VIDEO, truth, frames)
    assert found.values.tolist() == [[1, 2], [3, 4], [5, 6], [1, 1]]
    assert found.objects.tolist() == [1, 0, -1, -1]
    assert found.frames.tolist() == [0, 0, 0, 1]
    nothing = video_embeddings(VIDEO, truth, (_detections(), _detections()))
    assert nothing.values.shape == (0, 2)
    boxes = video_embeddings(VIDEO, truth, frames, "bbox")
    assert boxes.objects.tolist() == [-1] * 5  # all boxes lie elsewhere, and the one without a mask counts


def test_the_share_of_detections_whose_neighbour_shows_the_same_object() -> None:
    """Directions in degrees; neighbours are sought in other frames only.

    frame 0: object 0 at 0, object 1 at 90. frame 1: object 0 at 10, object 1 at 40. frame 2: object 2 at 41,
    background at 12. By hand: 0 -> 10 agrees; 90 -> 41 (object 2) differs; 10 -> 0 agrees; 40 -> 41 differs;
    41 has no other frame and does not count; the background takes no part.
    """
    degrees = np.array([0.0, 90, 10, 40, 41, 12])
    lengths = np.array([[1.0], [2], [3], [1], [5], [1]])
    angles = np.deg2rad(degrees)
    values = lengths * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    video = VideoEmbeddings(values, np.array([0, 1, 0, 1, 2, -1]), np.array([0, 0, 1, 1, 2, 2]))
    assert neighbour_agreement(video) == (2, 4)
    assert neighbour_agreement(VideoEmbeddings(values[:0], video.objects[:0], video.frames[:0])) == (0, 0)


def test_principal_axes_by_hand() -> None:
    """Two points along the direction 3 : 4 through (1, 1), and two across it: a fifth of the variance."""
    along, across = np.array([0.6, 0.8]), np.array([0.8, -0.6])
    values = np.array([1.0, 1.0]) + np.array([2 * along, -2 * along, across, -across])
    points, shares = principal_plane(values)
    # both axes point to where their largest weight is positive: (0.6, 0.8) and (0.8, -0.6)
    np.testing.assert_allclose(points, [[2, 0], [-2, 0], [0, 1], [0, -1]], atol=1e-12)
    np.testing.assert_allclose(shares, [0.8, 0.2])  # 8 and 2 of 10


@pytest.mark.parametrize("values", [np.zeros((0, 3)), np.ones((4, 3)), np.ones((1, 1))])
def test_values_without_variance_lie_in_the_origin(values: np.ndarray) -> None:
    points, shares = principal_plane(values)
    assert points.tolist() == [[0.0, 0.0]] * len(values)
    assert shares.tolist() == [0.0, 0.0]
