"""Counts at every threshold of the grid, and the threshold that is chosen from them, worked out by hand."""

from __future__ import annotations

import metric_corpus
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from metric_corpus import rectangle, track, truth_track

from vis_bench.metrics import mot
from vis_bench.metrics.operating_point import GRID, GridCounts, best_threshold, gather, per_video, reduce

SIZE = (20, 40)
LEFT = rectangle(SIZE, 0, 0, 10, 10)
RIGHT = rectangle(SIZE, 20, 0, 10, 10)
ONE = np.ones(1)


def counts(hits: dict[int, int], predictions: int = 0, objects: int = 4) -> GridCounts:
    """One video; hits by the place of their threshold in the grid."""
    row = np.array([hits.get(k, 0) for k in range(len(GRID))], dtype=np.int64)
    return gather([GridCounts(objects, np.full(len(GRID), predictions, dtype=np.int64), row)])


def test_the_grid_has_twenty_thresholds_as_people_write_them() -> None:
    assert tuple(float(f"0.{5 * k:02d}") for k in range(20)) == GRID


def test_a_right_and_a_wrong_track_by_hand() -> None:
    """Two frames. The right track scores 0.5 and has 2 boxes, the wrong one 0.2 and 2 boxes; a track with
    exactly the threshold is not kept. IDF1: 4 / (2 + 4) below 0.2, 4 / (2 + 2) below 0.5, then 0 / 2."""
    video = mot.box_distances(
        2, [truth_track(1, [LEFT] * 2)], [track([LEFT] * 2, 0.5), track([RIGHT] * 2, 0.2)]
    )
    found = gather([per_video(video)])
    assert found.objects.tolist() == [2]
    assert found.predictions[0].tolist() == [4] * 4 + [2] * 6 + [0] * 10
    assert found.identity_hits[0].tolist() == [2] * 10 + [0] * 10
    values = reduce(found, ONE[None, :])[0]
    assert values.tolist() == pytest.approx([4 / 6] * 4 + [1.0] * 6 + [0.0] * 10)
    assert best_threshold(found, ONE) == 0.2


def test_of_equal_thresholds_the_lowest_is_taken() -> None:
    assert best_threshold(counts({3: 2, 7: 3, 8: 3, 12: 3, 15: 1}), ONE) == 0.35
    # another number of boxes, the same quotient: 2 * 2 / (4 + 4) and 2 * 1 / (4 + 0)
    other = gather([GridCounts(4, np.array([4, 0] + [0] * 18), np.array([2, 1] + [0] * 18))])
    assert best_threshold(other, ONE) == 0.0


def test_nothing_to_choose_by_keeps_every_track() -> None:
    assert best_threshold(counts({}, objects=0), ONE) == 0.0
    assert best_threshold(counts({}), ONE) == 0.0


def test_weights_say_which_videos_choose() -> None:
    both = gather([GridCounts(1, np.ones(20), np.eye(20)[k]) for k in (4, 9)])
    assert best_threshold(both, np.array([1.0, 0.0])) == 0.2
    assert best_threshold(both, np.array([0.0, 1.0])) == 0.45


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_every_threshold_equals_the_metric_itself(seed: int) -> None:
    made, tracks = metric_corpus.random_corpus(np.random.default_rng(seed))
    for video in made.videos:
        found = [one for one in tracks if one.video_id == video.id]
        distances = mot.box_distances(video.length, made.tracks_by_video[video.id], found)
        grid = per_video(distances)
        for k, above in enumerate(GRID):
            whole = mot.per_video(distances, class_aware=False, above=above)
            assert (grid.objects, grid.predictions[k], grid.identity_hits[k]) == (
                whole.objects,
                whole.predictions,
                whole.identity_hits,
            )
