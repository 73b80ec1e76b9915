"""Which runs the viewer offers, under which names, and in which order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vis_bench.records.rows import Block
from vis_bench.records.run import PREDICTIONS_NAME
from vis_bench.report.tables.caption import REGION_NAMES
from vis_bench.report.videos.viewer import ViewedRun
from vis_bench.types import IouType


def viewed_runs(
    blocks: Sequence[Block], folders: Mapping[int, Path], all_seeds: bool = True
) -> tuple[ViewedRun, ...]:
    """The runs with stored predictions: first the first seed of every row, then the second, and so on.

    folders: run directories by the `id` of the record. all_seeds: False takes the first seed of each row. A
    label is that of the table with the seed, and with region, protocol and training where they tell blocks
    apart.
    """
    names = Counter(
        (row.label(block.default_config), block.iou_type) for block in blocks for row in block.rows
    )
    found: list[tuple[int, ViewedRun]] = []
    for block in blocks:
        iou_type: IouType = "bbox" if block.iou_type == "bbox" else "segm"
        for row in block.rows:
            name = row.label(block.default_config)
            where = f" ({REGION_NAMES[iou_type]})" if len({one.iou_type for one in blocks}) > 1 else ""
            if names[name, block.iou_type] > 1:
                training = f", {block.training}" if block.training else ""
                where += f" [{block.protocol} {block.protocol_hash[:8]}{training}]"
            paths = [
                (record["seed"], folders[id(record)] / PREDICTIONS_NAME, thresholds(record))
                for record in row.records
                if record["status"] != "failed" and id(record) in folders
            ]
            stored = [one for one in paths if one[1].is_file()]
            for place, (seed, path, point) in enumerate(stored if all_seeds else stored[:1]):
                found.append((place, ViewedRun(f"{name}{where}, seed {seed}", path, iou_type, point, seed)))
    return tuple(run for _, run in sorted(found, key=lambda pair: pair[0]))


def thresholds(record: Mapping[str, Any]) -> tuple[float, ...]:
    """The scores of a record's operating point, one or two; empty for a record without one."""
    return tuple((record.get("operating_point") or {}).get("thresholds", ()))
