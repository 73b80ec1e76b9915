"""A report of ten methods, five seeds and sixty videos: how large it is and how soon it can be used.

The videos are those of `shapes` test: their frames, and in every video seven tracks with ragged edges. One
run is packed and shown fifty times: runs are packed one by one, so the page is as large as with fifty runs.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser_pages import opened
from record_samples import make_record

from vis_bench.data import catalog
from vis_bench.data.predictions import write_results
from vis_bench.masks import rle
from vis_bench.report.formats.html_page import write_html
from vis_bench.report.plots.all_plots import write_plots
from vis_bench.report.tables.page import report_page
from vis_bench.report.videos.choice import choose_videos
from vis_bench.report.videos.side_by_side import Shown, write_side_by_side
from vis_bench.report.videos.viewer import RUNS_BYTES, ViewedRun, build_viewer
from vis_bench.types import Dataset, Rle, Track

pytestmark = pytest.mark.slow
METHODS, SEEDS = 10, 5
ROUGH = 0.1
MOST_BYTES, MOST_SECONDS = 30_000_000, 3.0


def _noisy(mask: Rle | None, generator: np.random.Generator) -> Rle | None:
    """The mask with a ragged edge: a shifted copy of it is added along random rows."""
    if mask is None:
        return None
    pixels = rle.decode(mask)
    rows = generator.random(len(pixels)) < ROUGH
    pixels[rows] |= np.roll(pixels, int(generator.integers(-3, 4)), axis=1)[rows]
    return rle.encode(pixels)


def _predictions(dataset: Dataset, seed: int) -> list[Track]:
    generator = np.random.default_rng(seed)
    tracks = []
    for video in dataset.videos:
        truth = dataset.tracks_by_video[video.id]
        for number in range(7):
            one = truth[number % len(truth)]
            masks = tuple(_noisy(mask, generator) for mask in one.segmentations)
            tracks.append(Track(video.id, one.category_id, float(0.9 - 0.05 * number), masks))
    return tracks


def test_ten_methods_five_seeds_sixty_videos(browser: Any, tmp_path: Path) -> None:
    dataset = catalog.open_dataset("shapes", "test", None)
    tracks = _predictions(dataset, 0)
    write_results(tmp_path / "run.json.gz", tracks)
    one = build_viewer(dataset, [ViewedRun("run", tmp_path / "run.json.gz", "segm")])
    labels = [f"method{m}, seed {s}" for s in range(SEEDS) for m in range(METHODS)]
    index = one.index | {"runs": labels, "points": one.index["points"] * len(labels)}
    viewer = replace(one, index=index, runs=one.runs * len(labels))
    assert sum(map(len, viewer.runs)) <= RUNS_BYTES  # so none of them would have been left out
    records = [make_record(f"method{m}", 0.3, seed=s) for m in range(METHODS) for s in range(SEEDS)]
    page = report_page(records, protocols={})
    plots = [write_plots(tmp_path, 1, page.blocks[0].block, None, "not here")]
    shown = [Shown(f"method{m}, seed 0", tracks) for m in range(METHODS)]
    pictures = {}
    for video in choose_videos(dataset):
        pictures[video.name] = tmp_path / f"{video.name}.png"
        write_side_by_side(pictures[video.name], dataset, video, shown)
    report = write_html(tmp_path, page, pictures, plots, viewer)
    size = report.stat().st_size
    seconds = min(_seconds(browser, report, len(labels)) for _ in range(3))  # other work only adds to it
    print(f"{size / 1e6:.1f} MB, usable after {seconds:.2f} s")
    assert size < MOST_BYTES
    assert 0 < seconds < MOST_SECONDS


def _seconds(browser: Any, report: Path, runs: int) -> float:
    """From the request for the page until the first video is shown."""
    with opened(browser, report) as window:
        window.page.wait_for_selector("#viewer[data-ready]")
        assert window.page.locator('[data-part="run-0"] option').count() == runs
        assert window.page.locator('[data-part="video"] option').count() == 60
        assert window.said == []
        return float(window.page.locator("#viewer").get_attribute("data-ready-after-seconds"))
