"""What makes records one row of a table, and what makes rows comparable.

Two numbers stand in one table when they are about the same videos, under the same protocol, of the same kind
of region, after training on the same data. Records are seeds of one row when also method, configuration,
values set by hand and weights given by hand are the same. The commit of the code is part of neither. A
foreign record (predictions made elsewhere, or foreign code) has no training under a protocol; it joins every
table with equal data, split and kind of region. What a method was told of the objects beforehand is the same
for all of a table.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from vis_bench.records.columns import Record

KEY_NAMES = (
    *("dataset", "split", "protocol_hash", "annotation_hash", "split_hash", "iou_type", "prompt"),
    *("train_annotation_hash", "train_split_hash", "extra_annotation_hash", "extra_split_hash"),
)
"""What the entries of `comparable_key` are; those of the training stand last."""
WITHOUT_TRAINING = 7
DATA_KEY_NAMES = ("annotation_hash", "split_hash", "iou_type", "prompt")
"""What the entries of `data_key` are."""
WITHOUT_CONFIGURATION = ("imported", "as-given")
"""What stands in a foreign record where there is no configuration to name."""
NO_PROTOCOL = "none"
"""The protocol of predictions that were made elsewhere, and its hash."""


def comparable_key(record: Record) -> tuple[str, ...]:
    """What records of one table share, see KEY_NAMES: videos, protocol, kind of region, training data.

    Empty text stands for training data that there is not.
    """
    data, train, extra = (record.get(name) or {} for name in ("data", "train_data", "extra_data"))
    return (
        *(record["dataset"], record["split"], record["protocol_hash"]),
        *(data["annotation_hash"], data["split_hash"], record["iou_type"], record.get("prompt") or ""),
        *(train.get("annotation_hash", ""), train.get("split_hash", "")),
        *(extra.get("annotation_hash", ""), extra.get("split_hash", "")),
    )


def data_key(record: Record) -> tuple[str, ...]:
    """What a foreign record shares with the others of a table that it joins, see DATA_KEY_NAMES."""
    data = record["data"]
    return data["annotation_hash"], data["split_hash"], record["iou_type"], record.get("prompt") or ""


def is_foreign(record: Record) -> bool:
    """Whether the predictions were made elsewhere and imported, or by foreign code."""
    return bool(record.get("foreign"))


def row_key(record: Record) -> tuple[str, str, str, str]:
    """What the seeds of a row share inside a block: method, configuration, values and weights set by hand."""
    overrides = json.dumps(record.get("overrides") or {}, sort_keys=True)
    return record["method"], record["config"], overrides, record.get("initial_weights") or ""


def has_repeats(records: Sequence[Record]) -> bool:
    """Whether two records are of one seed of one row."""
    keys = [(comparable_key(record), row_key(record), record["seed"]) for record in records]
    return len(set(keys)) < len(keys)


def training_text(record: Record, needed: bool) -> str:
    """What was trained on. needed: say it also of a run that was trained as usual, else the text is empty."""
    train, extra = record.get("train_data"), record.get("extra_data")
    if is_foreign(record):
        return "foreign code" if record.get("foreign_code") else "predictions made elsewhere"
    if train is None:
        return "weights as given, not trained"
    if not needed:
        return ""
    parts = [(train, "videos"), *([(extra, "images")] if extra else [])]
    return "trained on " + " and ".join(
        f"{data['name']} {data['split']} ({data['videos']} {unit}, {data['annotation_hash'][:8]}, "
        f"{data['split_hash'][:8]})"
        for data, unit in parts
    )
