"""report.html in a real browser: no errors, sorting, names that stay text, readable on a phone."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from browser_pages import NASTY, opened

from vis_bench import report
from vis_bench.report.drawing.style import DOTS_PER_INCH

pytestmark = pytest.mark.slow


def test_opens_without_errors_and_without_network_and_names_stay_text(browser: Any, small_page: Path) -> None:
    with opened(browser, small_page) as window:
        page = window.page
        page.wait_for_selector("#viewer[data-ready]")
        assert window.said == []
        assert {url.partition(":")[0] for url in window.requests} <= {"file", "data"}
        assert page.evaluate("window.broken") is None
        first = page.locator("#block-1 table").first
        assert NASTY in first.locator("tbody tr td:first-child").all_inner_texts()
        # names in the viewer: the run, and the category of an object
        assert page.locator('[data-part="name-0"]').inner_text() == f"{NASTY}, seed 0"
        assert page.locator(".timeline .name").first.inner_text() == f"1 {NASTY}"


def test_a_click_on_a_column_sorts_by_number_and_again_the_other_way(browser: Any, small_page: Path) -> None:
    with opened(browser, small_page) as window:
        table = window.page.locator("#block-1 table").first
        head = table.get_by_role("button", name="AP", exact=True)
        place = table.locator("th").all_inner_texts().index("AP")

        def column() -> list[str]:
            return [row.locator("td").nth(place).inner_text() for row in table.locator("tbody tr").all()]

        assert column() == ["50.0", "25.0"]
        head.click()
        first = column()
        head.click()
        assert (first, column()) == (["50.0", "25.0"], ["25.0", "50.0"])
        head.press("Enter")
        assert column() == ["50.0", "25.0"]
        assert table.locator("th[aria-sort]").all_inner_texts() == ["AP"]


def test_on_a_phone_nothing_is_wider_than_the_screen(browser: Any, small_page: Path) -> None:
    with opened(browser, small_page, 390, 800) as window:
        page = window.page
        page.wait_for_selector("#viewer[data-ready]")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        boxes = [page.locator(f'[data-part="{name}"]').bounding_box() for name in ("truth", "pane-0", "play")]
        assert all(box["x"] >= 0 and box["x"] + box["width"] <= 390 for box in boxes)
        assert boxes[0]["width"] >= 150


def test_a_picture_is_seen_whole_first_and_at_full_size_when_asked(browser: Any, small_page: Path) -> None:
    with opened(browser, small_page) as window:
        page = window.page
        page.wait_for_selector("#viewer[data-ready]")
        page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")
        image, box = page.locator(".wide.frames img").first, page.locator(".wide.frames").first
        assert image.evaluate("i => i.clientWidth") <= box.evaluate("b => b.clientWidth")
        drawn = int(image.get_attribute("width"))
        page.locator(".enlarge input").first.check()
        assert image.evaluate("i => i.clientWidth") >= drawn
        assert page.evaluate("document.documentElement.scrollWidth") <= 1280


def smallest_text_pt() -> float:
    """The smallest font of any plot, as its source says."""
    sources = [
        path for room in ("plots", "drawing") for path in (Path(report.__file__).parent / room).glob("*.py")
    ]
    sizes = [
        float(size)
        for path in sources
        for size in re.findall(r"(?:fontsize|labelsize)=([\d.]+)", path.read_text(encoding="utf-8"))
    ]
    assert len(sizes) > 10
    return min(sizes)


@pytest.mark.parametrize("width", [390, 768, 1280])
def test_the_smallest_text_of_a_plot_can_be_read_at_every_width(
    browser: Any, small_page: Path, width: int
) -> None:
    drawn_px = smallest_text_pt() * DOTS_PER_INCH / 72
    with opened(browser, small_page, width, 800) as window:
        page = window.page
        page.wait_for_selector("#viewer[data-ready]")
        shown = page.locator("figure .plot img")
        assert shown.count() >= 5
        for image in shown.all():
            inner = image.evaluate("i => i.clientWidth - 2 * parseFloat(getComputedStyle(i).paddingLeft)")
            assert drawn_px * inner / image.evaluate("i => i.naturalWidth") >= 9
        # a plot that is wider than its box scrolls alone, also by keyboard, and says that it goes on
        box = page.locator("figure .plot").first
        wider = box.evaluate("b => b.scrollWidth > b.clientWidth + 1")
        assert wider == (width < 1024)
        assert (box.get_attribute("tabindex") == "0", box.get_attribute("data-more") == "") == (wider, wider)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
