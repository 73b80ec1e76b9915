"""Blocks of records for plots, small enough to work out every dot by hand."""

from __future__ import annotations

from typing import Any

from record_samples import make_record

from vis_bench.metrics.temporal_errors import KINDS
from vis_bench.records.rows import Block, build_blocks


def record(
    method: str, ap: float | None, seed: int = 0, seconds: float = 9.6, **rates: float
) -> dict[str, Any]:
    """One record: AP in 0..1, seconds for 960 frames of tracking, errors per 100 frames (0 if not named)."""
    made = make_record(
        method, ap, seed=seed, timing={"train_seconds": 9.0, "track_seconds": seconds, "frames": 960}
    )
    counts = {"truth_frames": 100} | dict.fromkeys(KINDS, 1)
    errors = {f"{kind}_per_100_frames": float(rates.get(kind, 0.0)) for kind in KINDS}
    made["metrics"]["errors"] = {"class_agnostic": {"0.3": counts | errors}}
    return made


def block_of(*records: dict[str, Any]) -> Block:
    """The one block of these records."""
    (block,) = build_blocks(records)
    return block
