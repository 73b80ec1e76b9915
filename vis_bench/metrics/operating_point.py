"""Identity counts at every score threshold of a grid, and the threshold with the best IDF1 among them.

Methods calibrate their scores differently, so that one number for all ranks calibration: each is scored where
it is best, chosen on other videos than those scored (`vis_bench.scoring.operating_point`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vis_bench.metrics.assignment import largest_total
from vis_bench.metrics.mot import TrackDistances

GRID = tuple(k / 20 for k in range(20))
"""0, 0.05, ..., 0.95: predictions are kept whose score is strictly greater."""
METRIC = "IDF1"


@dataclass(frozen=True, slots=True)
class GridCounts:
    """Boxes of one video, or of V videos, by the 20 thresholds of GRID; categories are ignored.

    objects: int, or [V] int64. predictions, identity_hits: [20], or [V, 20] int64; the second as in
    `mot.MotCounts`.
    """

    objects: np.ndarray | int
    predictions: np.ndarray
    identity_hits: np.ndarray


def per_video(video: TrackDistances) -> GridCounts:
    """Count one video at every threshold.

    Boxes that may match are counted once for each pair of tracks; a threshold only chooses columns, and those
    that keep the same tracks share one assignment.
    Source: Ristani et al. 2016; py-motmetrics `idf1_m` (see `mot.count_events`).
    """
    together = np.isfinite(video.distance).sum(axis=0)
    boxes = video.present.sum(axis=0)
    predictions, hits = np.zeros((2, len(GRID)), dtype=np.int64)
    known: dict[int, int] = {}
    for k, above in enumerate(GRID):
        kept = np.flatnonzero(video.scores > above)
        predictions[k] = boxes[kept].sum()
        # a higher threshold keeps a part of what a lower one keeps, so the number of tracks names the set
        if len(kept) not in known:
            chosen = together[:, kept]
            known[len(kept)] = largest_total(chosen)
        hits[k] = known[len(kept)]
    return GridCounts(int(video.present_truth.sum()), predictions, hits)


def gather(videos: Sequence[GridCounts]) -> GridCounts:
    """Counts of several videos, in the order given."""
    return GridCounts(
        objects=np.array([video.objects for video in videos], dtype=np.int64),
        predictions=np.array([video.predictions for video in videos], dtype=np.int64).reshape(-1, len(GRID)),
        identity_hits=np.array([video.identity_hits for video in videos], dtype=np.int64).reshape(
            -1, len(GRID)
        ),
    )


def reduce(counts: GridCounts, weights: np.ndarray) -> np.ndarray:
    """Class-agnostic IDF1 at every threshold under video weights [R, V]: [R, 20], NaN without boxes."""
    weights = np.asarray(weights, dtype=float)
    boxes = (weights @ counts.objects)[:, None] + weights @ counts.predictions
    hits = 2 * (weights @ counts.identity_hits)
    return np.divide(hits, boxes, out=np.full(hits.shape, np.nan), where=boxes > 0)


def best_threshold(counts: GridCounts, weights: np.ndarray) -> float:
    """The threshold of GRID with the best IDF1 on the videos of these weights [V].

    Of equal ones the lowest, so that no track is left out without a gain; 0 where IDF1 is undefined.
    """
    values = np.nan_to_num(reduce(counts, np.asarray(weights, dtype=float)[None, :])[0], nan=-1.0)
    return GRID[int(values.argmax())]
