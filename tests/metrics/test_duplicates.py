"""Duplicates by hand: masks on an object that a better-scored mask of the frame covers."""

from __future__ import annotations

import metric_corpus
import numpy as np
import pytest
from metric_corpus import rectangle, track, truth_track

from vis_bench.metrics import duplicates
from vis_bench.metrics.hota import present_tracks
from vis_bench.metrics.overlap import video_overlap
from vis_bench.scoring.evaluate import evaluate
from vis_bench.scoring.operating_point import placed
from vis_bench.types import IouType, Track, TruthTrack

SIZE = (20, 40)
OBJECT = rectangle(SIZE, 0, 0, 10, 10)
NEAR = rectangle(SIZE, 0, 0, 10, 6)  # IoU 60 / 100
HALF = rectangle(SIZE, 0, 0, 10, 5)  # IoU 50 / 100: not above a half
FAR = rectangle(SIZE, 20, 0, 10, 10)


def counted(
    truth: list[TruthTrack], tracks: list[Track], above: float = 0.0, iou_type: IouType = "segm"
) -> tuple[int, int]:
    length = len(truth[0].segmentations) if truth else len(tracks[0].segmentations)
    found = duplicates.per_video(present_tracks(video_overlap(1, length, truth, tracks, iou_type)), above)
    return found.object_frames, found.duplicates


@pytest.mark.parametrize(
    ("masks", "expected"),
    [
        ([OBJECT], 0),
        ([OBJECT, NEAR], 1),
        ([NEAR, OBJECT], 1),
        ([OBJECT, NEAR, OBJECT], 2),
        # neither the half nor what lies elsewhere covers the object
        ([OBJECT, HALF, FAR], 0),
        # two masks on each other, but on no object
        ([OBJECT, FAR, FAR], 0),
    ],
)
def test_one_frame(masks: list[np.ndarray], expected: int) -> None:
    tracks = [track([mask], 0.9 - 0.1 * k) for k, mask in enumerate(masks)]
    assert counted([truth_track(1, [OBJECT])], tracks) == (1, expected)
    assert counted([truth_track(1, [OBJECT])], tracks[::-1]) == (1, expected)


def test_frames_are_counted_one_by_one() -> None:
    """Three frames, the object is in the first two. The second track is on it in frame 1 alone, and in frame
    0 it is the only one there.
    """
    truth = [truth_track(1, [OBJECT, OBJECT, None])]
    first, second = track([None, OBJECT, OBJECT], 0.9), track([OBJECT, NEAR, OBJECT], 0.8)
    assert counted(truth, [first, second]) == (2, 1)


def test_classes_are_ignored_and_equal_scores_count_once() -> None:
    truth = [truth_track(1, [OBJECT])]
    assert counted(truth, [track([OBJECT], 0.5, category=2), track([OBJECT], 0.5)]) == (1, 1)


def test_tracks_at_or_below_the_threshold_are_not_there() -> None:
    truth = [truth_track(1, [OBJECT])]
    tracks = [track([OBJECT], 0.9), track([OBJECT], 0.3), track([OBJECT], 0.1)]
    assert [counted(truth, tracks, above)[1] for above in (0.0, 0.1, 0.3, 0.9)] == [2, 1, 0, 0]


def test_boxes_of_box_methods() -> None:
    truth = [truth_track(1, [OBJECT])]
    boxes = [
        Track(1, 1, score, (None,), ((0.0, 0.0, 10.0, height),)) for score, height in ((0.9, 10), (0.8, 6))
    ]
    assert counted(truth, boxes, iou_type="bbox") == (1, 1)


def test_the_rate_is_per_100_object_frames_at_both_thresholds() -> None:
    """Two videos of one frame. Above 0.05: 3 duplicates on 2 objects; above the operating point 0.5: 1."""
    made = metric_corpus.dataset(
        [truth_track(1, [OBJECT]), truth_track(2, [OBJECT], video=2)], {1: 1, 2: 1}, SIZE
    )
    tracks = [track([OBJECT], score) for score in (0.9, 0.8, 0.4, 0.1)] + [track([OBJECT], 0.9, video=2)]
    found = evaluate(made, tracks, ["duplicates"], at=placed((0.5,), "val", made))
    assert found == {"duplicates_per_100": {"operating_point": 50.0, "0.05": 150.0}}
    nothing = metric_corpus.dataset([], {1: 1}, SIZE)
    assert evaluate(nothing, [], ["duplicates"])["duplicates_per_100"] == {
        "operating_point": None,
        "0.05": None,
    }
