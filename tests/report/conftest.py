"""One browser and one small report for all tests that open a page."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser_pages import launched, small_report


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with launched() as found:
        yield found


@pytest.fixture(scope="module")
def small_page(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """report.html of `browser_pages.small_report`; after `browser`, so that it is not made in vain."""
    return small_report(tmp_path_factory.mktemp("small"))
