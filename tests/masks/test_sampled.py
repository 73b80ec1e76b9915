"""Masks at another size from their run lengths are those of indexing the full mask."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vis_bench.masks.rle import encode
from vis_bench.masks.sampled import Window, sample_masks


def drawn(masks, window):
    """(pixels [n, h, w] bool, boxes as lists, visible as a list)."""
    found = sample_masks([encode(mask) for mask in masks], window)
    out = np.zeros((len(masks), len(window.rows), len(window.columns)), dtype=bool)
    found.draw(np.arange(len(masks)), out)
    return out, found.boxes.tolist(), found.visible.tolist()


def test_every_second_pixel_by_hand():
    # rows 1..3 and columns 2..5 of 6 x 8; rows 0, 2, 4 and columns 1, 3, 5, 7 are chosen
    mask = np.zeros((6, 8), dtype=bool)
    mask[1:4, 2:6] = True
    window = Window((6, 8), np.array([0, 2, 4]), np.array([1, 3, 5, 7]))
    out, boxes, visible = drawn([mask], window)
    assert out[0].astype(int).tolist() == [[0, 0, 0, 0], [0, 1, 1, 0], [0, 0, 0, 0]]
    assert (boxes, visible) == ([[1, 1, 3, 2]], [True])
    left = np.zeros((6, 8), dtype=bool)
    left[:, 0] = left[1, 1] = True
    out, boxes, visible = drawn([left, mask], Window((6, 8), window.rows, window.columns, mirrored=True))
    assert (boxes, visible) == ([[0, 0, 0, 0], [1, 1, 3, 2]], [False, True])
    assert not out[0].any()


def test_enlarged_and_mirrored_by_hand():
    # one pixel of 2 x 2, at the top right, shown three times as large: rows 0..2, columns 3..5, mirrored 0..2
    mask = np.array([[False, True], [False, False]])
    thrice = np.repeat([0, 1], 3)
    out, boxes, _ = drawn([mask], Window((2, 2), thrice, thrice))
    assert boxes == [[3, 0, 6, 3]]
    assert np.array_equal(out[0], np.kron(mask, np.ones((3, 3))).astype(bool))
    assert drawn([mask], Window((2, 2), thrice, thrice, mirrored=True))[1] == [[0, 0, 3, 3]]


def test_masks_go_where_they_are_sent():
    masks = [np.eye(4, dtype=bool), np.zeros((4, 4), dtype=bool), ~np.eye(4, dtype=bool)]
    window = Window((4, 4), np.arange(4), np.arange(4))
    out = np.zeros((5, 4, 4), dtype=bool)
    sample_masks([encode(mask) for mask in masks], window).draw(np.array([3, -1, 0]), out)
    assert np.array_equal(out[3], masks[0])
    assert np.array_equal(out[0], masks[2])
    assert not out[[1, 2, 4]].any()


@pytest.mark.parametrize("switch", ["0", ""])
def test_random_masks_and_windows(switch, monkeypatch):
    monkeypatch.setenv("VIS_BENCH_FAST", switch)

    @settings(max_examples=150, deadline=None)
    @given(st.integers(0, 2**32))
    def agrees(seed):
        rng = np.random.default_rng(seed)
        height, width, h, w = rng.integers(1, 16, 4).tolist()
        densities = rng.choice([0, 0.1, 0.5, 0.95, 1], rng.integers(0, 4))
        masks = [rng.random((height, width)) < density for density in densities]
        rows, columns = np.sort(rng.integers(0, height, h)), np.sort(rng.integers(0, width, w))
        mirrored = bool(rng.integers(2))
        out, boxes, visible = drawn(masks, Window((height, width), rows, columns, mirrored))
        for i, mask in enumerate(masks):
            expected = mask[rows][:, columns]
            expected = expected[:, ::-1] if mirrored else expected
            ys, xs = np.nonzero(expected)
            assert np.array_equal(out[i], expected)
            assert visible[i] == bool(len(ys))
            assert boxes[i] == ([xs.min(), ys.min(), xs.max() + 1, ys.max() + 1] if len(ys) else [0] * 4)

    agrees()
