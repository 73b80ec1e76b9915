"""How often the host waits for the device, as torch's sync debug mode sees it."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import torch

_SIGN = "synchronizing CUDA operation"


@contextmanager
def counted_syncs(device: str) -> Iterator[Counter[str]]:
    """Count while inside; the places (`file:line`) and how often each. Nothing is counted on a CPU.

    Source: torch.cuda.set_sync_debug_mode("warn"); not every synchronising operation is known to it.
    """
    places: Counter[str] = Counter()
    if not device.startswith("cuda"):
        yield places
        return
    before = torch.cuda.get_sync_debug_mode()
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        try:
            yield places
        finally:
            torch.cuda.set_sync_debug_mode(before)
            places.update(place_of(one) for one in seen if _SIGN in str(one.message))


def place_of(warning: warnings.WarningMessage) -> str:
    """The last two parts of the path, and the line."""
    return f"{'/'.join(warning.filename.split('/')[-2:])}:{warning.lineno}"
