"""The quick check of masks agrees with the full one, and leaves to it whatever is not ordinary."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as coco_mask

from vis_bench.masks import rle_check
from vis_bench.masks.rle_quick import quick_areas

HEIGHT, WIDTH = 50, 70


def ellipse(x: float, y: float, a: float, b: float) -> bytes:
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    mask = ((columns - x) / a) ** 2 + ((rows - y) / b) ** 2 < 1
    mask[0, 0] = mask[5, 5] = True
    return coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))["counts"]


shapes = st.builds(ellipse, st.floats(-5, 75), st.floats(-5, 55), st.floats(0.5, 40), st.floats(0.5, 40))


def pixels(count: int) -> np.ndarray:
    return np.full(count, HEIGHT * WIDTH, dtype=np.int64)


@given(st.lists(shapes, min_size=1, max_size=8))
def test_ordinary_masks_pass_with_their_areas(counts: list[bytes]) -> None:
    areas = quick_areas(counts, pixels(len(counts)))
    assert areas is not None
    expected = coco_mask.area([{"size": [HEIGHT, WIDTH], "counts": text} for text in counts])
    np.testing.assert_array_equal(areas, expected)


def test_masks_of_large_images() -> None:
    """Runs of several characters each: 4320 x 7680 pixels, two squares far apart."""
    mask = np.zeros((4320, 7680), dtype=np.uint8, order="F")
    mask[100:3000, 50] = mask[2000:2010, 7000:7003] = 1
    counts = coco_mask.encode(mask)["counts"]
    areas = quick_areas([counts, counts], np.full(2, mask.size))
    assert areas is not None
    assert areas.tolist() == [2930, 2930]


@settings(max_examples=400)
@given(st.lists(shapes, min_size=1, max_size=4), st.data())
def test_what_passes_also_passes_the_full_check(counts: list[bytes], data: st.DataObject) -> None:
    """One byte is changed: whenever the quick check still accepts, the full decoding agrees."""
    broken = data.draw(st.integers(0, len(counts) - 1))
    text = bytearray(counts[broken])
    text[data.draw(st.integers(0, len(text) - 1))] = data.draw(st.integers(0, 255))
    counts[broken] = bytes(text)
    areas = quick_areas(counts, pixels(len(counts)))
    if areas is None:
        return
    for text, area in zip(counts, areas, strict=True):
        runs = rle_check.decode_runs(bytes(text))
        assert (runs[1:] > 0).all()
        assert runs[0] >= 0
        assert runs.sum() == HEIGHT * WIDTH
        assert runs[1::2].sum() == area


@pytest.mark.parametrize(
    "runs",
    [
        [HEIGHT * WIDTH],
        [0, HEIGHT * WIDTH],
        [10, 0, HEIGHT * WIDTH - 10],
        [10, 5, 0, 5, HEIGHT * WIDTH - 20],
        [10, 5, -3, 5, HEIGHT * WIDTH - 17],
        [10, -5, 20, 5, HEIGHT * WIDTH - 30],
        [10, 5, HEIGHT * WIDTH - 16],
        [10, 5, HEIGHT * WIDTH - 14],
    ],
)
def test_anything_else_is_left_to_the_full_check(runs: list[int]) -> None:
    values = np.array(runs, dtype=np.int64)
    (text,) = rle_check._encode(rle_check._runs(values, np.array([0, len(values)])))
    ordinary = ellipse(30, 20, 9, 9)
    assert quick_areas([ordinary, text, ordinary], pixels(3)) is None


@pytest.mark.parametrize("text", [b"", b"\x20\x20\x20", b"999\xff", b"55P", b"1" + b"o" * 9 + b"1" * 5])
def test_text_that_is_no_mask_is_left_to_the_full_check(text: bytes) -> None:
    assert quick_areas([text], pixels(1)) is None


def test_no_masks() -> None:
    areas = quick_areas([], pixels(0))
    assert areas is not None
    assert areas.shape == (0,)
