"""The numbers of records as metadata of a model card for hubs: the `model-index` of a README.

Source: Hugging Face Hub documentation, "Model Cards", evaluation results (`model-index`).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from vis_bench.records.columns import COLUMNS, Record
from vis_bench.records.rows import Block, Row, build_blocks, installed_protocols

TASK = "video-instance-segmentation"
METRICS = ("AP", "AP50", "AP75", "AR10", "HOTA", "IDF1", "MOTA")


def model_index(records: Sequence[Record], name: str | None = None) -> dict[str, Any]:
    """What stands under `model-index`: one model a row of a table, one result a data set; means over seeds.

    name: of the model, None for the label of its row. Numbers are percent. Raises as `build_blocks`.
    """
    models: dict[str, list[dict[str, Any]]] = {}
    for block in build_blocks(records, installed_protocols()):
        for row in block.rows:
            if row.done:
                label = name or f"{row.records[0]['title']} ({row.label(None)})"
                models.setdefault(label, []).append(_result(block, row))
    return {"model-index": [{"name": label, "results": results} for label, results in models.items()]}


def _result(block: Block, row: Row) -> dict[str, Any]:
    first = row.records[0]
    metrics = []
    for column in METRICS:
        cell = row.cell(COLUMNS[column])
        if cell.mean is None:
            continue
        one: dict[str, Any] = {"type": column, "name": column, "value": round(100 * cell.mean, 3)}
        if cell.sd is not None:
            one["args"] = {"seeds": cell.count, "standard_deviation": round(100 * cell.sd, 3)}
        metrics.append(one)
    return {
        "task": {"type": TASK, "name": "Video instance segmentation"},
        "dataset": {
            "type": block.dataset,
            "name": f"{block.dataset} {block.split}",
            "split": block.split,
            "revision": first["data"]["annotation_hash"],
            "args": {
                "videos": block.videos,
                "videos_sha256": first["data"]["split_hash"],
                "protocol": block.protocol,
                "protocol_sha256": block.protocol_hash,
            },
        },
        "metrics": metrics,
        "source": {"name": f"vis-bench {first['vis_bench_version']}"},
    }


def yaml_text(value: Any, indent: int = 0) -> str:
    """Objects, lists and scalars as YAML; every text is quoted as in JSON, which YAML reads alike."""
    return "\n".join(_lines(value, indent)) + "\n"


def _lines(value: Any, indent: int) -> list[str]:
    pad, found = "  " * indent, list[str]()
    if isinstance(value, dict):
        for key, inner in value.items():
            if isinstance(inner, dict | list) and inner:
                found += [f"{pad}{key}:", *_lines(inner, indent + (0 if isinstance(inner, list) else 1))]
            else:
                found.append(f"{pad}{key}: {json.dumps(inner)}")
        return found
    for inner in value:
        block = _lines(inner, indent + 1) if isinstance(inner, dict | list) and inner else [json.dumps(inner)]
        found.append(f"{pad}- {block[0].lstrip()}")
        found += block[1:]
    return found
