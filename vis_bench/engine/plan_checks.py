"""What a plan refuses before anything is computed, besides what single options refuse."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from vis_bench.errors import MethodError, UsageError, did_you_mean
from vis_bench.method import MethodSpec
from vis_bench.setup.config import dotted_keys, override
from vis_bench.setup.frameworks import needs_weights
from vis_bench.setup.plugins import load_spec, method_names
from vis_bench.setup.protocol import Protocol


def require_own_rows(wanted: Iterable[tuple[str, str]], specs: Mapping[str, MethodSpec]) -> None:
    """Refuse two methods of one name and configuration: they would be one row of the table."""
    rows: dict[tuple[str, str], str] = {}
    for method, chosen in wanted:
        name = specs[method].info.name
        other = rows.setdefault((name, chosen), method)
        if other != method:
            raise UsageError(
                f"{other} and {method} both call themselves {name!r} (MethodInfo.name) and run as "
                f"{name}@{chosen}, so that no table could tell them apart. Give one of them another name."
            )


def require_known_overrides(protocol: Protocol, specs: Iterable[MethodSpec]) -> None:
    """Refuse an override that no method has, run now or not: it would be ignored without a word."""
    known = _all_keys(specs)
    if set(protocol.overrides) <= known:
        return
    for name in method_names():
        try:
            known |= _all_keys([load_spec(name)])
        except MethodError:
            # it is not asked for; what it would know is not known
            continue
    for key in protocol.overrides:
        if key not in known:
            raise UsageError(
                f"protocol {protocol.name!r}, [overrides]: no method has a configuration value {key!r}."
                f"{did_you_mean(key, known)}"
            )


def require_known_values(values: Iterable[tuple[str, str]], configs: Sequence[Any]) -> None:
    """Values set by hand are set in the methods that have them; raises UsageError where none has."""
    for key, value in values:
        if not any(key in dotted_keys(config) for config in configs):
            # says which field is not there, and what it might have been
            override(configs[0], {key: value})


def _all_keys(specs: Iterable[MethodSpec]) -> set[str]:
    return {key for spec in specs for config in spec.configs.values() for key in dotted_keys(config)}


def require_as_given(specs: Iterable[MethodSpec], train: bool) -> None:
    """Refuse to train foreign code: how it is trained is its own business."""
    for spec in specs:
        if train and spec.foreign is not None:
            raise UsageError(
                f"{spec.info.name}: foreign code is scored with the weights that it has, and not trained "
                "here. Add --no-train."
            )


def require_weights(names: Sequence[str], weights: Any, train: bool) -> None:
    """Weights are given to be scored where a method has none of its own, and only there."""
    needing = needs_weights(names)
    if not train and weights is None and needing:
        raise UsageError(
            "--no-train needs --weights FILE: there is nothing to score without a checkpoint "
            f"({needing[0]} brings none)."
        )
    if weights is not None and not needing:
        raise UsageError(f"--weights: {names[0]} brings its own weights. Leave the option out.")
