"""The folder of what can be made again: shapes, shared pretraining, compiled kernels, the lock."""

from __future__ import annotations

import os
from pathlib import Path

CACHE_ROOT_VARIABLE = "VIS_BENCH_CACHE"


def default_cache_root() -> Path:
    """$VIS_BENCH_CACHE or ~/.cache/vis-bench."""
    given = os.environ.get(CACHE_ROOT_VARIABLE)
    return Path(given).expanduser() if given else Path.home() / ".cache" / "vis-bench"
