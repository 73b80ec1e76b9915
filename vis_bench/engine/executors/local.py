"""The executor `local`: processes of this machine. It takes no options."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vis_bench.engine.placing import OwnProcesses
from vis_bench.errors import UsageError


def open_local(options: Mapping[str, Any], out: Path) -> OwnProcesses:
    """Raises UsageError for options, which belong to other executors."""
    if options:
        raise UsageError(f"--executor local takes no options, found: {', '.join(sorted(options))}.")
    return OwnProcesses()
