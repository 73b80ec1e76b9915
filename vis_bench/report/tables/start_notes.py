"""Notes on what the rows of a table started from and on how many frames they learned."""

from __future__ import annotations

from vis_bench.records.columns import Record
from vis_bench.records.rows import Block
from vis_bench.report.tables.text import one_line


def start_notes(block: Block) -> list[str]:
    """Which rows started from their backbone alone, under a protocol with an image stage."""
    without = [
        one_line(row.label(block.default_config))
        for row in block.rows
        if row.done and row.done[0].get("train_data") is not None and not _whole_model(row.done[0])
    ]
    return [f"Without an image stage: {', '.join(without)}."] if without and block.image_stage else []


def _whole_model(record: Record) -> bool:
    return bool(record.get("image_stage") or record.get("start"))


def frames_notes(block: Block) -> list[str]:
    """Frames of videos trained on, where rows differ, and those with a detection loss, where not all have.

    Rows whose records do not say are left out.
    """
    done = [(one_line(row.label(block.default_config)), row.done[0]) for row in block.rows if row.done]
    seen = {name: record["frames_seen"] for name, record in done if record.get("frames_seen")}
    notes = []
    if len(set(seen.values())) > 1:
        parts = ", ".join(f"{name} {count:,}" for name, count in seen.items())
        notes.append(f"Frames of videos trained on differ: {parts}.")
    found = {name: record.get("frames_with_detection_loss") for name, record in done if name in seen}
    fewer = {name: count for name, count in found.items() if count is not None and count < seen[name]}
    if fewer:
        parts = ", ".join(f"{name} {count:,} of {seen[name]:,}" for name, count in fewer.items())
        notes.append(f"Frames with a detection loss, where not all: {parts}.")
    return notes
