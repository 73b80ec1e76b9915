"""The files of weights that the runs of a sweep start from or score, and what they decide."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vis_bench.engine.process.environment import require_torch
from vis_bench.errors import UsageError
from vis_bench.method import MethodSpec
from vis_bench.setup.config import dotted_keys, override

if TYPE_CHECKING:
    from vis_bench.engine.run import Settings

STRIDES_KEY = "backbone.stride_in_1x1"
"""Configuration value that the weights of a ResNet decide."""


@dataclass(frozen=True, slots=True)
class StartFile:
    """A file of weights that training starts from, and its SHA-256."""

    path: Path
    sha256: str


def with_files(
    wanted: Mapping[tuple[str, str], Any],
    named: Mapping[tuple[str, str], str],
    specs: Mapping[str, MethodSpec],
    settings: Settings,
) -> tuple[dict[tuple[str, str], Any], dict[tuple[str, str], StartFile]]:
    """The configurations with what their files of weights say, and the files that training starts from.

    A file may say where its ResNet has its strides: with the other setting it loads and computes nonsense.
    """
    # they need torch, which a plan without files does not
    require_torch(settings.device)
    from vis_bench.weights.locate import Wanted, find_starts
    from vis_bench.weights.prepare import prepare

    keys = list(wanted)
    if settings.start is not None:
        asked = [Wanted(named[key], specs[key[0]].info.name, key[1]) for key in keys]
        files = find_starts(settings.start, asked)
    else:
        files = [settings.weights] * len(keys)  # type: ignore[list-item]
    configs, starts = {}, {}
    for key, path in zip(keys, files, strict=True):
        if specs[key[0]].foreign is not None:
            configs[key] = wanted[key]
            continue
        prepared = prepare(path, specs[key[0]], wanted[key])
        configs[key] = with_stride(wanted[key], prepared.stride_in_1x1, path, settings.overrides)
        if settings.start is not None:
            starts[key] = StartFile(path, prepared.file.sha256)
    return configs, starts


def with_stride(
    config: Any, stride_in_1x1: bool | None, path: Path, by_hand: Iterable[tuple[str, str]]
) -> Any:
    """The configuration with the strides of the file. Raises UsageError where --set disagrees."""
    if stride_in_1x1 is None or STRIDES_KEY not in dotted_keys(config):
        return config
    changed = override(config, {STRIDES_KEY: stride_in_1x1})
    if changed != config and STRIDES_KEY in dict(by_hand):
        raise UsageError(
            f"--set {STRIDES_KEY}={dict(by_hand)[STRIDES_KEY]}: the weights of {path} were made with "
            f"{str(stride_in_1x1).lower()}. Leave it out; the file sets it."
        )
    return changed
