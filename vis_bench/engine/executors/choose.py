"""The executor that a user names, with options from a TOML file."""

from __future__ import annotations

import importlib
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vis_bench.engine.placing import Executor
from vis_bench.errors import DataError, UsageError, did_you_mean
from vis_bench.files import read_bytes

EXECUTORS = ("local", "ray", "slurm")


def open_executor(
    name: str, options_file: str | Path | None = None, address: str | None = None, out: str | Path = "runs"
) -> Executor:
    """An executor by name: `local`, `ray` or `slurm`.

    options_file: TOML with a table `[ray]` or `[slurm]`. address: of a Ray cluster. out: the folder of
    results. Raises UsageError for unknown names and options, DataError for a file that cannot be read,
    MethodError where the engine is not installed.
    """
    if name not in EXECUTORS:
        raise UsageError(f"--executor {name!r}: unknown.{did_you_mean(name, EXECUTORS)}")
    options = dict(_options(Path(options_file), name)) if options_file is not None else {}
    if address is not None:
        if name != "ray":
            raise UsageError(f"--address is for --executor ray, not for {name}.")
        options["address"] = address
    module = importlib.import_module(f"{__package__}.{name}")
    found: Executor = getattr(module, f"open_{name}")(options, Path(out))
    return found


def _options(path: Path, name: str) -> Mapping[str, Any]:
    try:
        content = tomllib.loads(read_bytes(path).decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: not valid TOML ({error}).") from None
    unknown = sorted(set(content) - set(EXECUTORS))
    if unknown:
        raise DataError(f"{path}: [{unknown[0]}] is no executor.{did_you_mean(unknown[0], EXECUTORS)}")
    found = content.get(name, {})
    if not isinstance(found, dict):
        raise DataError(f"{path}: {name} is no table; write [{name}].")
    return found
