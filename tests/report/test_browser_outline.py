"""report.html in a real browser: index, folds, themes, contrast, phone and paper."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser_pages import opened

pytestmark = pytest.mark.slow

# every element with text of its own that is shown, with the contrast of its colours
CONTRASTS = """() => {
  const parse = (text) => (text.match(/[\\d.]+/g) || []).map(Number);
  const linear = (v) => v <= 10.3 ? v / 255 / 12.92 : ((v / 255 + .055) / 1.055) ** 2.4;
  const light = (rgb) => rgb.slice(0, 3).reduce((sum, v, n) => sum + linear(v) * [.2126, .7152, .0722][n], 0);
  const ground = (at) => {
    for (; at; at = at.parentElement) {
      const colour = parse(getComputedStyle(at).backgroundColor);
      if (colour.length === 3 || colour[3] > 0) return colour;
    }
    return [255, 255, 255];
  };
  const found = [];
  for (const one of document.body.querySelectorAll("*")) {
    if (["SCRIPT", "STYLE", "OPTION"].includes(one.tagName) || !one.checkVisibility()) continue;
    if (![...one.childNodes].some((node) => node.nodeType === 3 && node.data.trim())) continue;
    const [x, y] = [light(parse(getComputedStyle(one).color)), light(ground(one))].sort((a, b) => b - a);
    found.push([(x + .05) / (y + .05), `${one.tagName}.${one.className} ${one.textContent.slice(0, 30)}`]);
  }
  return found;
}"""


@pytest.fixture
def window(browser: Any, small_page: Path) -> Iterator[Any]:
    """The small report at 1280 pixels."""
    with opened(browser, small_page) as found:
        found.page.wait_for_selector("#viewer[data-ready]")
        yield found


def _background(page: Any) -> str:
    return str(page.evaluate("getComputedStyle(document.body).backgroundColor"))


def test_the_index_stands_at_the_side_and_says_where_the_reader_is(window: Any) -> None:
    page = window.page
    index, here = page.locator("#index"), page.locator("#index a[aria-current]")
    page.locator('#index a[href="#videos"]').click()
    page.wait_for_function("() => document.querySelector('#index a[aria-current]')?.hash === '#videos'")
    box, main = index.bounding_box(), page.locator("main").bounding_box()
    assert (box["x"], round(box["y"])) == (0, 0)  # still there, far down the page
    assert main["x"] >= box["width"]
    page.evaluate("window.scrollTo(0, 0)")
    page.wait_for_function(
        "() => document.querySelector('#index a[aria-current]')?.hash.startsWith('#block-1')"
    )
    assert here.count() == 1
    assert page.locator('#index a[href="#block-1-results"]').is_visible()  # parts of the current section only
    assert window.said == []


def test_a_link_opens_the_folded_section_that_it_leads_to(
    browser: Any, window: Any, small_page: Path
) -> None:
    page = window.page
    tracking = page.locator("#block-1-tracking")
    assert not tracking.evaluate("one => one.open")
    page.get_by_role("button", name="Fold all", exact=True).click()
    assert page.locator("main details[open]:not(.classes)").count() == 0
    page.locator('#index a[href="#block-1"]').click()
    page.locator('#index a[href="#block-1-tracking"]').click()
    assert tracking.evaluate("one => one.open")
    assert tracking.locator("table").first.is_visible()
    page.wait_for_function(
        "() => Math.abs(document.getElementById('block-1-tracking').getBoundingClientRect().top) < 60"
    )
    page.get_by_role("button", name="Unfold all").click()
    assert page.locator("main details:not([open]):not(.classes)").count() == 0
    # an address that was sent to somebody, and one that is typed later
    page.goto(f"{small_page.as_uri()}#block-1-categories")
    page.reload()
    page.wait_for_function("() => document.getElementById('block-1-categories').open")
    page.evaluate("location.hash = 'protocol'")
    page.wait_for_function("() => document.getElementById('protocol').open")


def test_the_index_folds_on_a_phone_and_only_tables_scroll_sideways(browser: Any, small_page: Path) -> None:
    with opened(browser, small_page, 390, 800) as window:
        page = window.page
        page.wait_for_selector("#viewer[data-ready]")
        link = page.locator('#index a[href="#methods"]')
        assert not link.is_visible()
        page.locator("#index summary").press("Enter")
        page.get_by_role("button", name="Unfold all").click()
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        wide = page.locator("#block-1-results .wide")
        assert wide.evaluate("one => one.scrollWidth > one.clientWidth")
        assert (wide.get_attribute("tabindex"), wide.get_attribute("data-more")) == ("0", "")
        wide.focus()
        page.keyboard.press("ArrowRight")
        page.wait_for_function("() => document.querySelector('#block-1-results .wide').scrollLeft > 0")
        first = wide.locator("tbody td").first.bounding_box()
        assert first["x"] == wide.bounding_box()["x"]  # the names of the rows stay
        assert page.evaluate("window.scrollX") == 0
        link.click()
        assert not link.is_visible()
        page.wait_for_function(
            "() => Math.abs(document.getElementById('methods').getBoundingClientRect().top - 56) < 60"
        )


def test_the_theme_is_toggled_and_remembered_and_goes_back_to_the_system(window: Any) -> None:
    page = window.page
    light = _background(page)
    page.get_by_role("button", name="Dark theme").click()
    dark = _background(page)
    assert (light, dark) == ("rgb(255, 255, 255)", "rgb(23, 25, 27)")
    page.reload()
    assert _background(page) == dark
    page.get_by_role("button", name="Light theme").click()
    assert _background(page) == light
    page.emulate_media(color_scheme="dark")  # nothing is remembered any more: the page follows
    assert _background(page) == dark
    page.get_by_role("button", name="Light theme").wait_for(timeout=10_000)
    assert window.said == []


def test_the_theme_works_without_storage(browser: Any, small_page: Path) -> None:
    with opened(browser, small_page) as window:
        page = window.page
        page.add_init_script(
            "Object.defineProperty(window, 'localStorage', {get() { throw new DOMException('no'); }})"
        )
        page.reload()
        page.get_by_role("button", name="Dark theme").click()
        assert _background(page) == "rgb(23, 25, 27)"
        assert window.said == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_all_text_stands_out_and_plots_lie_on_white(window: Any, theme: str) -> None:
    page = window.page
    page.emulate_media(color_scheme=theme)
    page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
    found = page.evaluate(CONTRASTS)
    assert len(found) > 100
    assert [(round(ratio, 2), what) for ratio, what in found if ratio < 4.5] == []
    grounds = page.evaluate("[...document.images].map((one) => getComputedStyle(one).backgroundColor)")
    assert grounds
    assert set(grounds) == {"rgb(255, 255, 255)"}


def test_headings_are_in_order_and_pictures_have_a_text(window: Any) -> None:
    page = window.page
    levels = page.evaluate(
        "[...document.querySelectorAll('h1, h2, h3, h4, h5')].map((one) => Number(one.tagName[1]))"
    )
    assert levels.count(1) == 1
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    texts = page.evaluate("[...document.images].map((one) => one.alt)")
    assert texts
    assert all(texts)
    assert page.evaluate("[...document.images].every((one) => one.width > 0 && one.naturalWidth > 0)")


def test_paper_is_light_unfolded_and_without_controls(window: Any) -> None:
    page = window.page
    page.get_by_role("button", name="Dark theme").click()
    page.get_by_role("button", name="Fold all", exact=True).click()
    page.evaluate(
        """() => addEventListener("beforeprint", () => {
        window.unfolded = !document.querySelector("main details:not([open]):not(.classes)"); })"""
    )
    assert len(page.pdf()) > 10_000
    assert page.evaluate("window.unfolded") is True
    assert page.locator("main details[open]:not(.classes)").count() == 0  # and folded again
    page.emulate_media(media="print")
    assert _background(page) == "rgb(255, 255, 255)"
    for name in ("#index", "#viewer .controls", "#viewer .choices"):
        assert not page.locator(name).first.is_visible()
    # folded, and printed all the same by a browser that says nothing beforehand
    assert page.locator("#methods table").is_visible()
    page.set_viewport_size({"width": 700, "height": 900})  # about A4 upright
    cut = "[...document.querySelectorAll('.wide')].some((one) => one.scrollWidth > one.clientWidth + 1)"
    assert page.evaluate(cut) is False
