"""Run directories with a record and predictions, made by hand: a comparison needs no training."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

from vis_bench.data.catalog import open_dataset
from vis_bench.data.predictions import write_results
from vis_bench.engine.opened_data import identity
from vis_bench.records.run import PREDICTIONS_NAME, Record, write_record
from vis_bench.scoring.evaluate import evaluate
from vis_bench.types import Track


def store_run(out: Path, videos: Path, method: str, seed: int, found: Collection[int], **fields: Any) -> Path:
    """A run on split `val` of `videos` that finds exactly the objects of the videos `found`.

    fields: of the record, instead of the usual ones. Returns the run directory.
    """
    dataset = open_dataset(str(videos), "val")
    tracks = [
        Track(one.video_id, one.category_id, 0.9, one.segmentations)
        for one in dataset.tracks or ()
        if one.video_id in found
    ]
    values: dict[str, Any] = {
        "vis_bench_version": "0.1.0",
        "run_hash": f"{method}-{seed}",
        "method": method,
        "config": "default",
        "title": method,
        "paradigm": "made by hand",
        "online": True,
        "paper": "none",
        "licence": "Apache-2.0",
        "config_values": {},
        "dataset": str(videos),
        "split": "val",
        "data": identity(dataset),
        "train_data": None,
        "protocol": "plain",
        "protocol_hash": "0" * 64,
        "seed": seed,
        "axis_seeds": {},
        "status": "done",
        "metrics": evaluate(dataset, tracks),
        "timing": {"train_seconds": 60.0, "track_seconds": 4.0, "frames": 40},
        "parameters": {"total": 1_000_000, "trainable": 1_000_000},
        "hardware": {"device": "cpu"},
    }
    record = Record.model_validate(values | fields)
    folder = out / f"{method}@{record.config}-seed-{seed}-{record.protocol_hash[:4]}"
    write_record(folder, record)
    write_results(folder / PREDICTIONS_NAME, tracks)
    return folder
