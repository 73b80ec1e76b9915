"""The path of a mask: to RLE, back, its area and its box; ten masks of a frame of 720p."""

from __future__ import annotations

import numpy as np
import pytest

from vis_bench.masks import rle

HEIGHT, WIDTH, MASKS = 720, 1280, 10


@pytest.fixture(scope="module")
def masks() -> np.ndarray:
    """[10, H, W] bool: ellipses of 100 to 400 pixels."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    drawn = []
    for _ in range(MASKS):
        (cx, cy), (rx, ry) = rng.uniform((300, 200), (900, 500)), rng.uniform(50, 200, 2)
        drawn.append(((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2 < 1)
    return np.stack(drawn)


def test_encode(benchmark, masks: np.ndarray) -> None:
    encoded = benchmark.pedantic(rle.encode_or_none, args=(masks,), rounds=10, warmup_rounds=1)
    assert len(encoded) == MASKS
    assert None not in encoded


def test_decode(benchmark, masks: np.ndarray) -> None:
    encoded = rle.encode_or_none(masks)
    decoded = benchmark.pedantic(lambda: [rle.decode(mask) for mask in encoded], rounds=10, warmup_rounds=1)
    np.testing.assert_array_equal(decoded, masks)


def test_area_and_box(benchmark, masks: np.ndarray) -> None:
    encoded = rle.encode_or_none(masks) * 10
    found = benchmark.pedantic(
        lambda: [(rle.area(mask), rle.tight_box(mask)) for mask in encoded], rounds=10, warmup_rounds=1
    )
    assert found[0][0] == masks[0].sum()
