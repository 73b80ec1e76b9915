"""Pictures with a palette: lossless up to 256 colours, beyond that the named colours stay as they are."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from vis_bench.report.drawing.small_png import small_png


def _read(data: bytes) -> np.ndarray:
    image = Image.open(io.BytesIO(data))
    assert image.mode == "P"
    return np.asarray(image.convert("RGB"))


def test_a_drawing_of_few_colours_is_not_changed_and_smaller() -> None:
    generator = np.random.default_rng(0)
    colours = generator.integers(0, 256, (256, 3), dtype=np.uint8)
    pixels = colours[generator.integers(0, 256, (100, 120))]
    data = small_png(Image.fromarray(pixels))
    assert np.array_equal(_read(data), pixels)
    plain = io.BytesIO()
    Image.fromarray(pixels).save(plain, format="PNG", optimize=True)
    assert len(data) < len(plain.getvalue()) / 2
    assert data == small_png(Image.fromarray(pixels))


def test_named_colours_survive_among_many() -> None:
    """4,096 colours on a ramp and one pixel of a colour that a median cut would merge into its neighbours."""
    red, green = np.meshgrid(np.arange(64) * 4, np.arange(64) * 4)
    pixels = np.stack([red, green, np.zeros_like(red)], axis=2).astype(np.uint8)
    rare = (131, 77, 3)
    pixels[10, 10] = rare
    drawn = _read(small_png(Image.fromarray(pixels), exact=[rare, (1, 2, 200)]))
    assert tuple(drawn[10, 10]) == rare
    assert len(np.unique(drawn.reshape(-1, 3), axis=0)) <= 256
    assert np.abs(drawn.astype(int) - pixels).max() <= 24
    assert not (drawn == (1, 2, 200)).all(axis=2).any()
