"""A report of ten methods, five seeds and sixty videos: how large it is and how soon it can be used.

The videos are those of `shapes` test: their frames, and per run and video seven noisy tracks in every frame.
Methods share the predictions of a seed, which saves time here and no bytes in the page: every run is packed
by itself.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser_pages import opened
from record_samples import make_record

from vis_bench import rle
from vis_bench.data import catalog
from vis_bench.data.predictions import write_results
from vis_bench.records import PREDICTIONS_NAME, Record
from vis_bench.report.folder import write_run_report
from vis_bench.types import Dataset, Rle, Track

pytestmark = pytest.mark.long
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
    data = {
        "name": "shapes", "split": "test", "annotation_hash": dataset.annotation_hash, "split_hash": "s",
        "videos": len(dataset.videos),
    }  # fmt: skip
    runs = []
    for seed in range(SEEDS):
        write_results(tmp_path / f"{seed}.json.gz", _predictions(dataset, seed))
    for method in range(METHODS):
        for seed in range(SEEDS):
            folder = tmp_path / f"{method}-{seed}"
            record = Record.model_validate(make_record(f"method{method}", 0.3, seed=seed, data=data))
            folder.mkdir()
            shutil.copy(tmp_path / f"{seed}.json.gz", folder / PREDICTIONS_NAME)
            runs.append((record, folder))
    report = write_run_report(tmp_path / "report", runs, dataset, protocols={}, thorough=True)
    size = report.stat().st_size
    with opened(browser, report) as window:
        page = window.page
        page.wait_for_selector("#viewer[data-ready]")
        seconds = page.evaluate("Number(document.getElementById('viewer').dataset.readyAfterSeconds)")
        assert page.locator('[data-part="run-0"] option').count() == METHODS * SEEDS
        assert page.locator('[data-part="video"] option').count() == len(dataset.videos)
        assert window.said == []
    print(f"{size / 1e6:.1f} MB, usable after {seconds:.2f} s")
    assert size < MOST_BYTES
    assert 0 < seconds < MOST_SECONDS
