"""What a file of weights in a method's own names says about itself (metadata of safetensors)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vis_bench.errors import DataError

FORMAT = "vis-bench weights 1"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where own weights come from.

    method, config: names. source: in words. kind: word of `--source` of what was converted, "" for weights
    that were trained here. class_names: in order, None where not known. stride_in_1x1: of a ResNet, None
    where the file has none or does not say. record_hash, checkpoint_hash, config_values: of an exported run.
    """

    method: str
    config: str
    source: str
    kind: str = ""
    class_names: tuple[str, ...] | None = None
    stride_in_1x1: bool | None = None
    record_hash: str | None = None
    checkpoint_hash: str | None = None
    config_values: Mapping[str, Any] | None = None


def write_origin(origin: Origin) -> dict[str, str]:
    """Metadata of a safetensors file; values that are not text are JSON."""
    names: Sequence[str] | None = origin.class_names
    values: dict[str, Any] = {
        "class_names": None if names is None else list(names),
        "stride_in_1x1": origin.stride_in_1x1,
        "config_values": None if origin.config_values is None else dict(origin.config_values),
    }
    texts = {
        "format": FORMAT,
        "method": origin.method,
        "config": origin.config,
        "source": origin.source,
        "kind": origin.kind,
        "record_hash": origin.record_hash or "",
        "checkpoint_hash": origin.checkpoint_hash or "",
    }
    return texts | {key: json.dumps(value, sort_keys=True) for key, value in values.items()}


def read_origin(metadata: Mapping[str, str], where: object) -> Origin | None:
    """Inverse of `write_origin`; None for a file that says nothing of this kind. Raises DataError."""
    if metadata.get("format") != FORMAT:
        return None
    try:
        names = json.loads(metadata["class_names"])
        return Origin(
            method=metadata["method"],
            config=metadata["config"],
            source=metadata["source"],
            kind=metadata["kind"],
            class_names=None if names is None else tuple(map(str, names)),
            stride_in_1x1=json.loads(metadata["stride_in_1x1"]),
            record_hash=metadata["record_hash"] or None,
            checkpoint_hash=metadata["checkpoint_hash"] or None,
            config_values=json.loads(metadata["config_values"]),
        )
    except (KeyError, ValueError, TypeError, RecursionError) as error:
        raise DataError(f"{where}: its metadata are damaged ({error}).") from None
