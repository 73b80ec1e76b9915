"""Drawn pairs that touch, and what counts as having told them apart, by hand."""

import numpy as np
import pytest
from scipy.ndimage import binary_dilation

torch = pytest.importorskip("torch")

from vis_bench.engine.contract.look_alikes import objects_found  # noqa: E402
from vis_bench.engine.contract.scenes import SIZE, Scene, draw_look_alikes  # noqa: E402
from vis_bench.masks.rle import encode, tight_box  # noqa: E402
from vis_bench.types import Track  # noqa: E402


def test_the_objects_of_a_pair_are_equal_touch_and_lie_anywhere():
    middles = []
    for seed in range(100):
        scene = draw_look_alikes(seed, 2)
        assert (scene.pixels[0] == scene.pixels[1]).all()
        one, other = scene.masks[0]
        assert scene.labels[0] == scene.labels[1]
        assert not (one & other).any()
        # a pixel of the other is next to one of the first, at a side or a corner
        assert (binary_dilation(one, np.ones((3, 3))) & other).any()
        assert abs(int(one.sum()) - int(other.sum())) < 0.2 * one.sum()
        colours = [{tuple(pixel) for pixel in scene.pixels[0][mask]} for mask in (one, other)]
        assert colours[0] == colours[1]
        assert len(colours[0]) == 2
        rows, columns = np.nonzero(one | other)
        assert 0 < rows.min() <= rows.max() < SIZE[0] - 1
        assert 0 < columns.min() <= columns.max() < SIZE[1] - 1
        middles.append((rows.mean() / SIZE[0], columns.mean() / SIZE[1]))
    assert (np.std(middles, axis=0) > 0.1).all()
    assert {int(draw_look_alikes(seed, 1).labels[0]) for seed in range(20)} == {0, 1}


def scene_of(*boxes):
    masks = np.zeros((1, len(boxes), 40, 60), dtype=bool)
    for n, (x, y, width, height) in enumerate(boxes):
        masks[0, n, y : y + height, x : x + width] = True
    return Scene(np.zeros((1, 40, 60, 3), np.uint8), masks, np.zeros(len(boxes), np.int64))


def track(mask=None, box=None):
    return Track(1, 1, 0.5, (None if mask is None else encode(mask),), None if mask is not None else (box,))


def test_both_are_found_by_two_masks_and_one_by_a_mask_of_both():
    scene = scene_of((10, 10, 10, 10), (20, 10, 10, 10))
    one, other = scene.masks[0]
    assert objects_found([track(one), track(other)], scene) == 2
    # the same object twice, and nothing of the other
    assert objects_found([track(one), track(one)], scene) == 1
    # half of what it covers is either object: IoU 0.5, which is not above it
    assert objects_found([track(one | other)], scene) == 0
    assert objects_found([track(one | other)] * 2, scene) == 0
    assert objects_found([], scene) == 0
    assert objects_found([track()], scene) == 0
    # a prediction is spent on one object: shifted by 3 of 10 columns it has 7 / 13 and 3 / 17
    shifted = np.roll(one, 3, axis=1)
    assert objects_found([track(shifted)], scene) == 1


def test_the_best_use_of_predictions_counts():
    # the first prediction fits both objects, the second the first object alone
    scene = scene_of((10, 10, 10, 10), (13, 10, 10, 10))
    scene.masks[0, 1] = np.roll(scene.masks[0, 0], 3, axis=1)
    first = np.roll(scene.masks[0, 0], 1, axis=1)
    second = np.roll(scene.masks[0, 0], -1, axis=1)
    assert objects_found([track(first), track(second)], scene) == 2


def test_boxes_are_compared_where_there_are_no_masks():
    scene = scene_of((10, 10, 10, 10), (20, 10, 10, 10))
    boxes = [tight_box(encode(mask)) for mask in scene.masks[0]]
    assert objects_found([track(box=box) for box in boxes], scene) == 2
    assert objects_found([track(box=(10.0, 10.0, 20.0, 10.0))], scene) == 0
