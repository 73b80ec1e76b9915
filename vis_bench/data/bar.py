"""A bar for work that may take long, and says nothing where it does not."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from typing import TypeVar

_Item = TypeVar("_Item")
AFTER_SECONDS = 2
QUIET_VARIABLE = "VIS_BENCH_QUIET"
"""Set to 1 by `vis-bench -q`."""


def bar(items: Iterable[_Item], label: str, unit: str, total: int | None = None) -> Iterable[_Item]:
    """The same items, with a bar on standard error once 2 s have passed; none where that is no terminal.

    label: what is done, e.g. `scoring`. unit: what an item is, e.g. `run`. total: how many items there are,
    where `items` has no length. The bar goes when the last item is done.
    """
    from tqdm import tqdm  # the constant above is needed where every millisecond counts

    return tqdm(
        items,
        desc=label,
        unit=unit,
        total=total,
        delay=AFTER_SECONDS,
        leave=False,
        dynamic_ncols=True,
        disable=not _is_terminal() or os.environ.get(QUIET_VARIABLE) == "1",
        file=sys.stderr,
    )


def _is_terminal() -> bool:
    return sys.stderr is not None and sys.stderr.isatty()
