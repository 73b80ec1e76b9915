"""PNG files of at most 256 colours: drawings take a third of the bytes of true colour."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from PIL import Image
from scipy.spatial import cKDTree

from vis_bench.report.drawing.palette import Colour

_MOST = 256


def small_png(image: Image.Image, exact: Sequence[Colour] = ()) -> bytes:
    """The bytes of an RGB picture as a PNG with a palette; the same picture gives the same bytes.

    exact: colours that are kept as they are where they occur, at most 128. Every other pixel gets the closest
    colour of a palette made for this picture (median cut), without dithering. A picture of at most 256
    colours is not changed at all.
    """
    pixels = np.asarray(image.convert("RGB")).astype(np.uint32)
    packed = pixels[..., 0] << 16 | pixels[..., 1] << 8 | pixels[..., 2]
    # one place per possible colour is far quicker than sorting all pixels
    occurs = np.zeros(1 << 24, dtype=bool)
    occurs[packed] = True
    found = np.flatnonzero(occurs)
    colours = np.stack([found >> 16 & 255, found >> 8 & 255, found & 255], axis=1).astype(np.uint8)
    palette = colours if len(colours) <= _MOST else _palette(image, colours, exact)
    nearest = np.zeros(1 << 24, dtype=np.uint8)
    nearest[found] = cKDTree(palette.astype(float)).query(colours.astype(float))[1]
    drawn = Image.fromarray(nearest[packed], mode="P")
    drawn.putpalette(palette.tobytes())
    buffer = io.BytesIO()
    drawn.save(buffer, format="PNG", compress_level=6)
    return buffer.getvalue()


def _palette(image: Image.Image, colours: np.ndarray, exact: Sequence[Colour]) -> np.ndarray:
    present = {tuple(colour) for colour in colours.tolist()}
    kept = np.array([colour for colour in dict.fromkeys(exact) if colour in present], dtype=np.uint8)
    cut = image.convert("RGB").quantize(_MOST - len(kept), method=Image.Quantize.MEDIANCUT)
    rest = np.array(cut.getpalette(), dtype=np.uint8).reshape(-1, 3)
    return np.concatenate([kept.reshape(-1, 3), rest])[:_MOST]
