"""Speed of the metrics; run with `pytest tests/benchmarks --benchmark-enable`."""

from __future__ import annotations

import numpy as np
import pytest

from vis_bench.masks import rle
from vis_bench.scoring.evaluate import measure, reduce
from vis_bench.scoring.metric_names import DEFAULT_METRICS
from vis_bench.types import Category, Dataset, Track, TruthTrack, Video

VIDEOS, FRAMES, TRACKS, SIZE = 60, 20, 10, (180, 320)


@pytest.fixture(scope="module")
def corpus() -> tuple[Dataset, list[Track]]:
    """60 videos of 20 frames, 2 objects and 10 predictions each: 12,000 predicted masks."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]

    def ellipses(count: int) -> tuple[rle.Rle, ...]:
        centre, radius = rng.uniform(40, 140, 2), rng.uniform(10, 40, 2)
        steps = [
            ((x - centre[0] - 4 * t) / radius[0]) ** 2 + ((y - centre[1]) / radius[1]) ** 2
            for t in range(count)
        ]
        return tuple(rle.encode(step < 1) for step in steps)

    pool = [ellipses(FRAMES) for _ in range(40)]  # drawing is slow, so the tracks share a few shapes

    def drawn() -> tuple[rle.Rle, ...]:
        return pool[rng.integers(len(pool))]

    videos, truth, tracks = [], [], []
    for v in range(1, VIDEOS + 1):
        names = tuple(f"{v}/{t}.jpg" for t in range(FRAMES))
        videos.append(Video(v, str(v), SIZE[1], SIZE[0], names))
        for _ in range(2):
            masks, category = drawn(), int(rng.integers(1, 41))
            boxes, areas = tuple(map(rle.tight_box, masks)), tuple(float(rle.area(mask)) for mask in masks)
            truth.append(TruthTrack(len(truth) + 1, v, category, False, masks, boxes, areas))
            tracks.append(Track(v, category, float(rng.random()), (masks[0], *masks[:-1])))
        for _ in range(TRACKS - 2):
            tracks.append(Track(v, int(rng.integers(1, 41)), float(rng.random()), drawn()))
    categories = tuple(Category(i, f"c{i}") for i in range(1, 41))
    return Dataset("bench", "val", tuple(videos), categories, tuple(truth), None, "0", "0"), tracks


@pytest.mark.parametrize("metric", DEFAULT_METRICS)
def test_measure(benchmark, corpus: tuple[Dataset, list[Track]], metric: str) -> None:
    statistics = benchmark.pedantic(measure, args=(*corpus, [metric]), rounds=3)
    assert len(statistics.video_ids) == VIDEOS


@pytest.mark.parametrize("metric", DEFAULT_METRICS)
def test_bootstrap(benchmark, corpus: tuple[Dataset, list[Track]], metric: str) -> None:
    """1,000 replicates; the mean replicate stays near the score."""
    statistics = measure(*corpus, [metric])
    weights = np.random.default_rng(1).multinomial(VIDEOS, np.full(VIDEOS, 1 / VIDEOS), size=1000)
    replicates = benchmark.pedantic(reduce, args=(statistics, weights), rounds=3)
    score = reduce(statistics, np.ones((1, VIDEOS)))
    name = next(iter(score))
    # fractions, but for what is counted per 100 frames
    assert np.nanmean(replicates[name]) == pytest.approx(score[name][0], rel=0.1, abs=0.1)
