"""A small report with videos, made in the tests, and a page of it in Chromium."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest
from PIL import Image
from record_samples import make_record

from vis_bench.data.predictions import write_results
from vis_bench.files import write_json
from vis_bench.masks import rle
from vis_bench.records.run import PREDICTIONS_NAME, RECORD_NAME, Record
from vis_bench.report.folder import write_run_report
from vis_bench.types import Category, Dataset, Rle, Track, TruthTrack, Video

CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome")
WIDTH, HEIGHT, LENGTH = 80, 48, 6
NASTY = "<script>window.broken=1</script>"
LEFT, RIGHT = 8, 52


def without(what: str) -> NoReturn:
    if os.environ.get("VIS_BENCH_REQUIRE_BROWSER") == "1":
        pytest.fail(f"no browser: {what}")
    pytest.skip(f"no browser: {what}")


@contextmanager
def launched() -> Iterator[Any]:
    """The system's Chromium as a playwright browser; skips the test where either is missing.

    With VIS_BENCH_REQUIRE_BROWSER=1 the test fails instead.
    """
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        without("playwright is not installed")
    found = next(filter(None, map(shutil.which, CHROMIUM_NAMES)), None)
    if found is None:
        without("Chromium is not installed")
    with sync_playwright() as playwright:
        # inside containers Chromium has no rights for its sandbox; the page is our own
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=found, args=arguments)
        yield browser
        browser.close()


@dataclass
class Opened:
    """A playwright page; said: its console messages and uncaught errors; requests: addresses asked for."""

    page: Any
    said: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


@contextmanager
def opened(browser: Any, path: Path, width: int = 1280, height: int = 900) -> Iterator[Opened]:
    """A file in a new window of a playwright browser, without network."""
    context = browser.new_context(viewport={"width": width, "height": height}, offline=True)
    result = Opened(context.new_page())
    result.page.on("console", lambda message: result.said.append(message.text))
    result.page.on("pageerror", lambda error: result.said.append(str(error)))
    result.page.on("request", lambda request: result.requests.append(request.url))
    result.page.goto(path.as_uri())
    yield result
    context.close()


def square(column: int, row: int = 12, side: int = 20) -> Rle:
    """A square mask with its upper left corner at (column, row)."""
    mask = np.zeros((HEIGHT, WIDTH), dtype=bool)
    mask[row : row + side, column : column + side] = True
    return rle.encode(mask)


def two_squares(folder: Path) -> Dataset:
    """Two videos of six black frames with two squares that stand still."""
    videos = tuple(
        Video(number, f"v{number}", WIDTH, HEIGHT, tuple(f"v{number}/{t}.png" for t in range(LENGTH)))
        for number in (1, 2)
    )
    for name in (name for video in videos for name in video.file_names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (WIDTH, HEIGHT)).save(folder / name)
    truth = tuple(
        TruthTrack(
            10 * video.id + number, video.id, 1, False, (square(column),) * LENGTH,
            ((float(column), 12.0, 20.0, 20.0),) * LENGTH, (400.0,) * LENGTH,
        )
        for video in videos
        for number, column in enumerate((LEFT, RIGHT))
    )  # fmt: skip
    return Dataset("shapes", "test", videos, (Category(1, NASTY),), truth, folder, "a", "s")


def right_tracks(video: int) -> list[Track]:
    """Both objects, followed without error."""
    return [
        Track(video, 1, score, (square(column),) * LENGTH) for column, score in ((LEFT, 0.9), (RIGHT, 0.8))
    ]


def switched_tracks(video: int) -> list[Track]:
    """The two tracks exchange their objects at frame 3, and the second loses its object in frame 5."""
    a, b = square(LEFT), square(RIGHT)
    return [Track(video, 1, 0.9, (a, a, a, b, b, b)), Track(video, 1, 0.8, (b, b, b, a, a, None))]


def small_report(folder: Path) -> Path:
    """report.html of a method that is right everywhere, with a nasty name, and one that errs in video 2."""
    dataset = two_squares(folder / "frames")
    data = {"name": "shapes", "split": "test", "annotation_hash": "a", "split_hash": "s", "videos": 2}
    runs = []
    predictions = {
        NASTY: [*right_tracks(1), *right_tracks(2)],
        "switching": [*right_tracks(1), *switched_tracks(2)],
    }
    for name, tracks in predictions.items():
        directory = folder / f"run-{len(runs)}"
        record = make_record(name, 0.5 if name == NASTY else 0.25, data=data)
        write_json(directory / RECORD_NAME, record)
        write_results(directory / PREDICTIONS_NAME, tracks)
        runs.append((Record.model_validate(record), directory))
    return write_run_report(folder / "report", runs, [dataset], protocols={}, thorough=True)
