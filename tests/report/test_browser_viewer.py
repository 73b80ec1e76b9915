"""The viewer of videos in a real browser: masks where they are, playing, jumping to errors, keys."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from browser_pages import LEFT, NASTY, RIGHT, WIDTH, Opened, opened

from vis_bench.report.drawing.palette import identity_colour

pytestmark = pytest.mark.slow


def _ready(window: Opened) -> Any:
    window.page.wait_for_selector("#viewer[data-ready]")
    return window.page


def _pixel(page: Any, pane: str, column: float, row: float) -> tuple[int, ...]:
    """Colour of the middle of a pixel of the video in a pane."""
    found = page.evaluate(
        """([pane, column, row, width]) => {
          const canvas = document.querySelector(`[data-part="${pane}"]`), scale = canvas.width / width;
          return [...canvas.getContext("2d").getImageData(
            (column + .5) * scale, (row + .5) * scale, 1, 1).data];
        }""",
        [pane, column, row, WIDTH],
    )
    return tuple(found[:3])


def _wait(locator: Any) -> None:
    locator.wait_for(timeout=10_000)


def _frame(page: Any) -> int:
    return int(page.locator('[data-part="frame"]').input_value())


def _half(number: int) -> tuple[int, ...]:
    """The colour of an identity over black, as drawn inside a mask."""
    return tuple(value // 2 for value in identity_colour(number))


def _close(first: tuple[int, ...], second: tuple[int, ...]) -> bool:
    return all(abs(a - b) <= 2 for a, b in zip(first, second, strict=True))


def test_the_video_with_most_errors_comes_first_and_masks_lie_where_they_are(
    browser: Any, small_page: Path
) -> None:
    with opened(browser, small_page) as window:
        page = _ready(window)
        assert page.locator('[data-part="video"] option:checked').inner_text() == "v2 (2 errors, 6 frames)"
        inside, off = LEFT + 5, 42
        assert _close(_pixel(page, "truth", inside, 17), _half(0))
        assert _close(_pixel(page, "truth", RIGHT + 5, 17), _half(1))
        assert _close(_pixel(page, "truth", off, 17), (0, 0, 0))
        assert _close(_pixel(page, "truth", LEFT - 0.35, 17), identity_colour(0))  # the outline
        assert _close(_pixel(page, "pane-1", inside, 17), _half(0))
        page.locator('[data-part="frame"]').fill("3")
        assert _close(_pixel(page, "pane-0", inside, 17), _half(0))
        # after the exchange the left object has the colour of the other one
        assert _close(_pixel(page, "pane-1", inside, 17), _half(1))


def test_an_error_on_the_timeline_is_a_button_to_its_frame(browser: Any, small_page: Path) -> None:
    with opened(browser, small_page) as window:
        page = _ready(window)
        assert page.locator(".timeline").count() == 2
        assert page.locator(".timeline").nth(0).locator(".error").count() == 0
        marks = page.locator(".timeline").nth(1).locator(".error")
        kinds = [(m.get_attribute("data-kind"), m.get_attribute("data-frame")) for m in marks.all()]
        # the exchange stands in the rows of both objects; track 2 leaves object 1 for good in frame 5
        assert kinds == [("identity_switch", "3"), ("early_death", "5"), ("identity_switch", "3")]
        marks.nth(1).click()
        assert _frame(page) == 5
        said = page.locator('[data-part="said"]')
        assert said.inner_text() == "switching, seed 0, early death, frame 5: object 1: track 2"
        page.locator('[data-part="next-error"]').click()
        assert _frame(page) == 3
        assert said.inner_text() == "switching, seed 0, identity switch, frame 3: objects 1, 2: tracks 2, 1"
        spans = [one.inner_text() for one in page.locator(".timeline").nth(1).locator(".span").all()]
        assert spans == ["1", "2", "", "2", "1"]


def test_play_shows_every_frame_and_stops_at_the_last(browser: Any, small_page: Path) -> None:
    with opened(browser, small_page) as window:
        page = _ready(window)
        page.locator('[data-part="rate"]').select_option("15")
        page.evaluate(
            """() => { window.seen = []; new MutationObserver(() =>
            window.seen.push(document.querySelector('[data-part="count"]').textContent))
            .observe(document.querySelector('[data-part="count"]'), {childList: true}); }"""
        )
        button = page.locator('[data-part="play"]')
        button.click()
        assert button.inner_text() == "Stop"
        _wait(page.locator('[data-part="play"]:text-is("Play")'))
        assert page.evaluate("window.seen") == [f"frame {t} of 0–5" for t in range(1, 6)]


def test_keys_move_between_frames_errors_and_videos(browser: Any, small_page: Path) -> None:
    with opened(browser, small_page) as window:
        page = _ready(window)
        page.locator("#viewer").focus()
        seen = []
        for key in ("ArrowRight", "ArrowRight", "ArrowLeft", "End", "Home", "n", "n", "p"):
            page.keyboard.press(key)
            seen.append(_frame(page))
        assert seen == [1, 2, 1, 5, 0, 3, 5, 3]
        page.keyboard.press(" ")
        assert page.locator('[data-part="play"]').inner_text() == "Stop"
        page.keyboard.press(" ")
        assert page.locator('[data-part="play"]').inner_text() == "Play"
        page.keyboard.press("[")
        _wait(page.locator("#viewer:not(:has(.error))"))
        assert page.locator('[data-part="video"] option:checked').inner_text() == "v1 (0 errors, 6 frames)"
        assert window.said == []


def test_any_two_runs_can_be_chosen_or_one_alone(browser: Any, small_page: Path) -> None:
    with opened(browser, small_page) as window:
        page = _ready(window)
        page.locator('[data-part="run-0"]').select_option(label="switching, seed 0")
        _wait(page.locator(".timeline:first-child .error").first)
        page.locator('[data-part="run-1"]').select_option(label=f"{NASTY}, seed 0")
        _wait(page.locator(".timeline:nth-child(2):not(:has(.error))"))
        page.locator('[data-part="run-1"]').select_option("none")
        _wait(page.locator(".timeline:only-child"))
        assert not page.locator('[data-part="pane-1"]').is_visible()
