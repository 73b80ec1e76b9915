"""What the engine does for foreign code beyond what it does for every method."""

from __future__ import annotations

from typing import Any

from vis_bench.method import MethodSpec
from vis_bench.types import Dataset


def tell(model: Any, dataset: Dataset) -> tuple[str, ...]:
    """Let a model see names of classes (and prompts) of the data set that it is about to track.

    Returns sentences for the record; none from a model that wants to know nothing.
    """
    prepare = getattr(model, "prepare_for", None)
    return () if prepare is None else tuple(prepare(dataset))


def brings_weights(spec: MethodSpec) -> bool:
    """Whether a method comes with its weights, so that no file is loaded into it."""
    return spec.foreign is not None and spec.foreign.load is None
