"""Boxes (x, y, width, height) in pixels, as annotation and results files hold them."""

from __future__ import annotations

import math

from vis_bench.types import Box


def is_usable(box: Box) -> bool:
    """Whether all four numbers are finite and neither side is negative; a side of 0 is allowed."""
    return all(map(math.isfinite, box)) and box[2] >= 0 and box[3] >= 0
