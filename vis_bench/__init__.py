"""vis-bench: compare the paradigms of video instance segmentation under one protocol.

The names in `__all__` are the public Python API (docs/api.md); the command line calls the same functions.
They are loaded when they are first used: importing this package imports neither torch nor pandas.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from vis_bench.errors import DataError, MethodError, NotComparableError, UsageError, VisBenchError

if TYPE_CHECKING:
    from vis_bench.data.catalog import open_dataset
    from vis_bench.engine.run import run
    from vis_bench.records.dataframe import results
    from vis_bench.records.run import Record
    from vis_bench.report.write import write_report
    from vis_bench.scoring.files import evaluate, explain
    from vis_bench.study.compare import compare

__version__ = "0.1.0"

__all__ = [
    "DataError",
    "MethodError",
    "NotComparableError",
    "Record",
    "UsageError",
    "VisBenchError",
    "__version__",
    "compare",
    "evaluate",
    "explain",
    "open_dataset",
    "results",
    "run",
    "write_report",
]

# no submodule of vis_bench may have one of these names: importing it would put it in the function's place
_HOMES = {
    "Record": "vis_bench.records.run",
    "compare": "vis_bench.study.compare",
    "evaluate": "vis_bench.scoring.files",
    "explain": "vis_bench.scoring.files",
    "open_dataset": "vis_bench.data.catalog",
    "results": "vis_bench.records.dataframe",
    "run": "vis_bench.engine.run",
    "write_report": "vis_bench.report.write",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
