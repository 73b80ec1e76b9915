"""How often the interval contains the true mean where categories occur in few videos; prints a table.

Every replicate is a study of one seed: a difference per video and category, normal around 0. The score is the
mean over categories of the mean over videos. The resamples are those of `vis-bench compare`.
"""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from vis_bench.study.comparison import resample_videos
from vis_bench.study.intervals import paired_difference

STUDIES = {
    "4 videos with a category each": np.eye(4),
    "7 videos with a category each": np.eye(7),
    "12 videos with a category each": np.eye(12),
    "20 videos, a second category in 1 of them": np.column_stack([np.ones(20), np.arange(20) == 7]),
    "20 videos, a second category in 2 of them": np.column_stack([np.ones(20), np.arange(20) < 2]),
    "20 categories in 2 videos each": np.kron(np.eye(20), np.ones((2, 1))),
    "25 categories in 4 videos each": np.kron(np.eye(25), np.ones((4, 1))),
}


def coverage(truth: np.ndarray, replicates: int, resamples: int) -> float:
    """Share of the intervals with the true mean. truth: [V, K] objects."""
    videos = len(truth)
    counts = np.repeat(truth[:, :, None], 4, axis=2)
    found = resample_videos(
        SimpleNamespace(  # type: ignore[arg-type]  # only what resampling reads
            video_ids=range(videos), video_ap=SimpleNamespace(truth_count=counts), frame_ap=None
        ),
        ("video_ap", "AP"),
        resamples,
    )
    weights = np.concatenate([np.ones((1, videos)), found.weights])
    sums = weights @ truth
    present = sums > 0
    rng = np.random.default_rng(5)
    hits = 0
    for _ in range(replicates):
        values = rng.normal(0, 1, truth.shape)
        means = np.divide(weights @ (truth * values), sums, out=np.zeros_like(sums), where=present)
        metric = means.sum(axis=1) / present.sum(axis=1)
        draws = metric[None, 1:]
        one = paired_difference(metric[:1], np.zeros(1), draws, np.zeros_like(draws), videos)
        hits += one.low <= 0 <= one.high
    return hits / replicates


def test_an_interval_of_categories_in_a_video_each_is_no_point() -> None:
    """200 replicates: four standard errors of 0.9 are 0.08. Where no resample may lose a category it is 0."""
    assert coverage(STUDIES["4 videos with a category each"], 200, 200) > 0.8


@pytest.mark.slow
@pytest.mark.parametrize("name", STUDIES)
def test_coverage(name: str) -> None:
    found = coverage(STUDIES[name], replicates=2000, resamples=400)
    print(f"| {name} | {found:.3f} |")
    assert 0.70 <= found <= 0.98
