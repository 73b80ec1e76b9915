"""Predictions of squares, scored: what plots from predictions are made of, small enough for a hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from vis_bench.masks import rle
from vis_bench.metrics.slices import video_slices
from vis_bench.report.plots.values import RunValues, run_values
from vis_bench.types import Category, Dataset, Rle, Track, TruthTrack, Video


def square(column: int) -> Rle:
    """A mask of 10 x 10 pixels in a frame of 80 x 20."""
    mask = np.zeros((20, 80), dtype=bool)
    mask[5:15, column : column + 10] = True
    return rle.encode(mask)


def squares(videos: int) -> Dataset:
    """Videos of two frames, each with one object at column 0 that stands still."""
    shown = tuple(Video(v, f"v{v}", 80, 20, ("0.png", "1.png")) for v in range(1, videos + 1))
    truth = tuple(
        TruthTrack(v.id, v.id, 1, False, (square(0),) * 2, ((0.0, 5.0, 10.0, 10.0),) * 2, (100.0,) * 2)
        for v in shown
    )
    return Dataset("d", "val", shown, (Category(1, "c"),), truth, None, "a", "s")


def scored(dataset: Dataset, found: Sequence[tuple[int, float, int]], seed: int = 0) -> RunValues:
    """One run. found: (video, score, column) of every track; column 0 is right."""
    tracks = [Track(video, 1, score, (square(column),) * 2) for video, score, column in found]
    return replace(run_values(dataset, tracks, video_slices(dataset)), seed=seed)
