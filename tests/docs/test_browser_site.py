"""The built site in Chromium, opened from disk: its search answers, and nothing is asked of the network."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from browser_pages import launched, opened, without

ROOT = Path(__file__).resolve().parents[2]


def test_search_works_on_pages_opened_as_files(tmp_path: Path) -> None:
    if find_spec("mkdocs") is None or find_spec("material") is None:
        without("mkdocs-material is not installed")
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--site-dir", str(tmp_path / "site")]
    subprocess.run(command, cwd=ROOT, check=True)
    with launched() as browser:
        for width in (1280, 390):
            with opened(browser, tmp_path / "site/commands/run.html", width) as result:
                if width == 390:
                    result.page.click("header [for=__search]")
                result.page.click(".md-search__input")
                result.page.keyboard.type("operating point")
                found = result.page.locator(".md-search-result__item").first
                found.wait_for(timeout=60_000)
                assert "operating point" in found.inner_text().lower()
                assert result.said == []
                assert all(one.startswith(("file:", "data:", "blob:")) for one in result.requests)
