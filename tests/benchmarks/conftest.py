"""Benchmarks of methods take minutes: they are collected only when benchmarks are asked for."""

from pathlib import Path

import pytest

ONLY_WHEN_ASKED = frozenset(
    f"test_bench_{name}.py" for name in ("reference", "rle", "association", "forward")
)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave these files out of the normal test command; None lets others decide."""
    asked = config.getoption("benchmark_enable") or config.getoption("benchmark_only")
    return True if collection_path.name in ONLY_WHEN_ASKED and not asked else None
