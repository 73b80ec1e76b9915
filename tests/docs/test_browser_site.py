"""The built site in Chromium, opened from disk: its search answers, and nothing is asked of the network."""

from __future__ import annotations

import re
import string
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from browser_pages import launched, opened, without

ROOT = Path(__file__).resolve().parents[2]


def test_digits_stay_out_of_the_index() -> None:
    """Digits in its words let the builder of the index merge words that differ."""
    (separator,) = re.findall(
        r"^\s+separator: '(.*)'$", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"), re.M
    )
    assert re.split(separator, "mask2former_vis has 58.6 AP50") == ["mask", "former_vis", "has", "AP", ""]


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
                field = result.page.locator(".md-search__input")
                field.click()
                result.page.keyboard.type("operating point")
                found = result.page.locator(".md-search-result__item").first
                found.wait_for(timeout=60_000)
                assert "operating point" in found.inner_text().lower()
                answer = result.page.locator(".md-search-result__meta")
                for words in ("mask2former_vis", "AP50", "0.6 AP", "ytvis21"):
                    field.fill("")
                    field.press_sequentially(words)
                    answer.filter(has_text=re.compile(r"\d+ matching documents")).wait_for(timeout=60_000)
                # whatever words begin with: one that the index holds and does not know is an error in `said`
                for letter in string.ascii_lowercase if width == 1280 else "":
                    field.fill("")
                    field.press_sequentially(letter)
                    result.page.wait_for_timeout(150)
                assert result.said == []
                assert all(one.startswith(("file:", "data:", "blob:")) for one in result.requests)
