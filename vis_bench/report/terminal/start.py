"""What a run started from, in a line."""

from __future__ import annotations

from vis_bench.records.run import Start

NAMES_SHOWN = 3


def start_text(start: Start) -> str:
    """`r50.pkl (Mask R-CNN of ...): 301 of 311 tensors; new: track_head.first.weight, ... and 7 more`."""
    text = f"{start.source}: {start.loaded} of {start.of} tensors"
    if not start.missing:
        return text
    more = len(start.missing) - NAMES_SHOWN
    names = ", ".join(start.missing[:NAMES_SHOWN])
    return f"{text}; new: {names}{f' and {more} more' if more > 0 else ''}"
