"""The best mask on each object: class-agnostic recall and the share of right classes, by hand."""

from __future__ import annotations

import metric_corpus
import numpy as np
import pytest
from metric_corpus import rectangle, track, truth_track

from vis_bench.metrics import best_masks
from vis_bench.scoring.evaluate import count_best_masks
from vis_bench.scoring.explain import explain_tracks
from vis_bench.types import Track, TruthTrack

SIZE = (20, 40)
# 10 wide: IoU with the whole of height 10 is height / 10
HEIGHTS = {height: rectangle(SIZE, 0, 0, 10, height) for height in (4, 5, 6, 7, 8, 10)}
WHOLE = HEIGHTS[10]


def counts(truth: list[TruthTrack], tracks: list[Track], frames: int) -> dict[str, int]:
    found = count_best_masks(metric_corpus.dataset(truth, {1: frames}, SIZE, 2), tracks)
    return dict(zip(best_masks.COUNTS, found.sum(axis=0).tolist(), strict=True))


def test_recall_and_class_by_hand() -> None:
    """Best IoU by frame: 0.8 right, 0.6 wrong, 0.5 right (the other class has 0.4), nothing, 0.4."""
    truth = [truth_track(1, [WHOLE] * 5)]
    right = track([HEIGHTS[8], None, HEIGHTS[5], None, HEIGHTS[4]], 0.1)
    wrong = track([HEIGHTS[7], HEIGHTS[6], HEIGHTS[4], None, None], 0.9, category=2)
    assert counts(truth, [right, wrong], 5) == {
        "truth_masks": 5,
        "found_50": 3,
        "found_75": 1,
        "right_class": 2,
    }
    made = metric_corpus.dataset(truth, {1: 5}, SIZE, 2)
    assert explain_tracks(made, [right, wrong], replicates=2)["best_masks"] == pytest.approx(
        {"truth_masks": 5, "recall_50": 3 / 5, "recall_75": 1 / 5, "right_class": 2 / 3}
    )


@pytest.mark.parametrize(("score", "right"), [(0.3, 0), (0.7, 1)])
def test_of_equal_masks_the_class_of_the_best_score_counts(score: float, right: int) -> None:
    """A method that puts one mask out under two classes means the one that it is surer of."""
    truth = [truth_track(1, [WHOLE])]
    same = [track([WHOLE], 0.5, category=2), track([WHOLE], score, category=1)]
    assert counts(truth, same, 1)["right_class"] == counts(truth, same[::-1], 1)["right_class"] == right


def test_one_mask_may_be_the_best_of_two_objects() -> None:
    """Halves of one predicted mask: IoU 0.5 with each of two objects of different classes."""
    lower = rectangle(SIZE, 0, 5, 10, 5)
    truth = [truth_track(1, [HEIGHTS[5]]), truth_track(2, [lower], category=2)]
    found = counts(truth, [track([WHOLE], 0.9)], 1)
    assert (found["found_50"], found["right_class"]) == (2, 1)


def test_crowds_are_left_out_and_absent_objects_ask_for_nothing() -> None:
    truth = [truth_track(1, [WHOLE, None]), truth_track(2, [WHOLE, WHOLE], crowd=True)]
    assert counts(truth, [track([WHOLE, WHOLE], 0.9)], 2)["truth_masks"] == 1


def test_weights_of_videos_and_what_is_undefined() -> None:
    table = best_masks.gather([np.array([4, 2, 1, 1]), np.array([6, 0, 0, 0])])
    values = best_masks.reduce(table, np.array([[1.0, 1.0], [2.0, 0.0], [0.0, 1.0], [0.0, 0.0]]))
    assert values["recall_50"] == pytest.approx([0.2, 0.5, 0.0, np.nan], nan_ok=True)
    assert values["recall_75"] == pytest.approx([0.1, 0.25, 0.0, np.nan], nan_ok=True)
    assert values["right_class"] == pytest.approx([0.5, 0.5, np.nan, np.nan], nan_ok=True)
