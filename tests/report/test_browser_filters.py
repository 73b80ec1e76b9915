"""The viewer in a real browser: a least score for each run and classes decide what is shown."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from browser_pages import LEFT, LENGTH, RIGHT, opened, square, switched_tracks, two_squares

from vis_bench.data.predictions import write_results
from vis_bench.report.formats.videos_page import write_videos_page
from vis_bench.report.videos.viewer import ViewedRun, build_viewer
from vis_bench.types import Category, Track

pytestmark = pytest.mark.slow
BLACK = [0, 0, 0]
BETWEEN = 32


@pytest.fixture(scope="module")
def filter_page(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A disc on the left and a star on the right. The first run has its operating point at 0.6 and, in the
    first video, tracks scored 0.9, 0.5 and 0.2; the second has none and exchanges tracks in the second.
    """
    folder = tmp_path_factory.mktemp("filters")
    dataset = two_squares(folder)
    truth = tuple(
        replace(track, category_id=1 + number % 2) for number, track in enumerate(dataset.tracks or ())
    )
    dataset = replace(dataset, categories=(Category(1, "disc"), Category(2, "star")), tracks=truth)
    first = [
        Track(1, kind, score, (square(column),) * LENGTH)
        for kind, score, column in ((1, 0.9, LEFT), (2, 0.5, RIGHT), (2, 0.2, BETWEEN))
    ]
    write_results(folder / "first.json", first)
    write_results(folder / "second.json", switched_tracks(2))
    runs = [
        ViewedRun("first", folder / "first.json", "segm", (0.6,)),
        ViewedRun("second", folder / "second.json", "segm"),
    ]
    return write_videos_page(folder, build_viewer(dataset, runs), "Filters")


def _seen(page: Any, pane: str) -> list[bool]:
    """Whether there is a mask on the left, between and on the right."""
    found = page.evaluate(
        """([pane, columns]) => {
          const canvas = document.querySelector(`[data-part="${pane}"]`), scale = canvas.width / 80;
          return columns.map((column) => [...canvas.getContext("2d").getImageData(
            (column + 3) * scale, 15 * scale, 1, 1).data].slice(0, 3));
        }""",
        [pane, [LEFT, BETWEEN, RIGHT]],
    )
    return [pixel != BLACK for pixel in found]


def test_a_run_starts_at_its_operating_point_and_the_slider_hides_low_tracks(
    browser: Any, filter_page: Path
) -> None:
    with opened(browser, filter_page) as window:
        page = window.page
        page.wait_for_selector("#viewer[data-ready]")
        page.locator('[data-part="video"]').select_option("0")
        said = page.locator('[data-part="scored-0"]')
        page.wait_for_function(
            "() => document.querySelector('[data-part=scored-0]').textContent.includes('of 3')"
        )
        assert said.inner_text() == "above 0.60, the operating point: 1 of 3 tracks"
        assert page.locator('[data-part="scored-1"]').inner_text() == "above 0.30: 0 of 0 tracks"
        slider = page.get_by_role("slider", name="least score, left")
        assert _seen(page, "pane-0") == [True, False, False]
        assert page.locator(".timeline").first.locator(".span.off").inner_text() == "2"
        slider.fill("0.5")  # a score of 0.5 is not above 0.5
        assert _seen(page, "pane-0") == [True, False, False]
        slider.press("ArrowLeft")
        assert said.inner_text() == "above 0.49: 2 of 3 tracks"
        assert slider.get_attribute("aria-valuetext") == "above 0.49"
        assert _seen(page, "pane-0") == [True, False, True]
        assert page.locator(".timeline").first.locator(".span.off").count() == 0
        slider.fill("0.05")
        assert _seen(page, "pane-0") == [True, True, True]
        # the other run has a score of its own, and the truth none
        assert page.get_by_role("slider", name="least score, right").input_value() == "0.3"
        assert _seen(page, "truth") == [True, False, True]
        page.locator('[data-part="run-1"]').select_option("0")
        page.wait_for_function(
            "() => document.querySelector('[data-part=scored-1]').textContent.includes('0.60')"
        )
        assert said.inner_text() == "above 0.05: 3 of 3 tracks"
        assert window.said == []


def test_errors_of_hidden_tracks_are_hidden_and_keys_pass_over_them(browser: Any, filter_page: Path) -> None:
    with opened(browser, filter_page) as window:
        page = window.page
        page.wait_for_selector("#viewer[data-ready]")
        page.locator('[data-part="video"]').select_option("1")
        marks = page.locator(".timeline").nth(1).locator(".error")
        page.wait_for_function(
            "() => document.querySelectorAll('.timeline')[1].querySelector('[data-kind=identity_switch]')"
        )
        kinds = [mark.get_attribute("data-kind") for mark in marks.all()]
        assert sorted(kinds) == ["early_death", "identity_switch", "identity_switch"]
        page.get_by_role("slider", name="least score, right").fill("0.85")  # the second track has 0.8
        assert marks.count() == 0
        assert "2 hidden by score or class" in page.locator(".timeline .kinds").nth(1).inner_text()
        page.get_by_role("slider", name="least score, right").fill("0.3")
        assert marks.count() == 3


def test_classes_are_chosen_with_the_keyboard(browser: Any, filter_page: Path) -> None:
    with opened(browser, filter_page) as window:
        page = window.page
        page.wait_for_selector("#viewer[data-ready]")
        page.locator('[data-part="video"]').select_option("0")
        page.wait_for_function(
            "() => document.querySelector('[data-part=scored-0]').textContent.includes('of 3')"
        )
        page.get_by_role("slider", name="least score, left").fill("0.3")
        names = page.locator(".timeline").first.locator(".name")
        assert names.all_inner_texts() == ["1 disc", "2 star"]
        summary = page.locator('[data-part="classes-said"]')
        assert summary.inner_text() == "classes: all 2"
        summary.press("Space")
        star = page.get_by_role("checkbox", name="star")
        star.press("Space")
        assert summary.inner_text() == "classes: 1 of 2"
        assert names.all_inner_texts() == ["1 disc"]
        assert _seen(page, "pane-0") == [True, False, False]
        assert _seen(page, "truth") == [True, False, False]
        assert page.locator('[data-part="scored-0"]').inner_text() == "above 0.30: 1 of 3 tracks"
        assert page.locator('[data-part="play"]').inner_text() == "Play"  # space was the checkbox's
        page.get_by_role("button", name="none", exact=True).click()
        assert _seen(page, "truth") == [False, False, False]
        page.get_by_role("button", name="all", exact=True).click()
        assert _seen(page, "truth") == [True, False, True]
        assert window.said == []
