"""How large an input may be: what a few bytes claim must not fill the memory. Each limit can be raised."""

from __future__ import annotations

import os

from vis_bench.errors import UsageError

FILE_BYTES_VARIABLE = "VIS_BENCH_MAX_FILE_BYTES"
PIXELS_VARIABLE = "VIS_BENCH_MAX_PIXELS"
FILE_BYTES = 2 * 2**30
"""Of a text that is read as a whole, uncompressed; the largest public annotation file has a third of it."""
PIXELS = 100_000_000
"""Of a frame: ten times those of 4K video."""


def most_file_bytes() -> int:
    """$VIS_BENCH_MAX_FILE_BYTES or 2 GiB. Raises UsageError for what is no number."""
    return _limit(FILE_BYTES_VARIABLE, FILE_BYTES)


def most_pixels() -> int:
    """$VIS_BENCH_MAX_PIXELS or 100 million. Raises UsageError for what is no number."""
    return _limit(PIXELS_VARIABLE, PIXELS)


def _limit(variable: str, usual: int) -> int:
    text = os.environ.get(variable, "")
    if not text:
        return usual
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise UsageError(f"{variable}={text!r}: must be a whole number.")
    return int(text)
