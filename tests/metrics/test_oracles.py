"""Oracles on cases with a single fault: the association mends one, the masks mend the other."""

from __future__ import annotations

from dataclasses import replace

import metric_corpus
import numpy as np
import pytest
from metric_corpus import rectangle, track, truth_track

from vis_bench.masks import rle
from vis_bench.metrics.oracles import follow_up, oracle_links, with_truth_association, with_truth_masks
from vis_bench.metrics.overlap import video_overlap
from vis_bench.scoring import evaluate as scoring
from vis_bench.scoring.explain import ORACLES, costly_videos, explain_tracks
from vis_bench.types import Dataset, Track

SIZE = (20, 40)
LEFT, RIGHT = rectangle(SIZE, 0, 0, 10, 10), rectangle(SIZE, 20, 0, 10, 10)
LEFT_SMALL = rectangle(SIZE, 0, 0, 10, 6)  # IoU 0.6 with LEFT
RIGHT_SMALL = rectangle(SIZE, 20, 0, 10, 6)


def two_objects() -> Dataset:
    return metric_corpus.dataset([truth_track(1, [LEFT] * 4), truth_track(2, [RIGHT] * 4)], {1: 4}, SIZE)


def ap(made: Dataset, tracks: list[Track]) -> float:
    return scoring.evaluate(made, tracks, ["ap"])["video_ap"]["AP"]


def test_a_switch_is_mended_by_the_association_and_not_by_the_masks() -> None:
    """Half of each object's pixels in each track: IoU 1/3, so AP 0 as predicted."""
    swapped = [track([LEFT, LEFT, RIGHT, RIGHT], 0.9), track([RIGHT, RIGHT, LEFT, LEFT], 0.8)]
    made = two_objects()
    assert ap(made, swapped) == 0.0
    linked = with_truth_association(made, swapped)
    assert ap(made, linked) == pytest.approx(1.0)
    assert [one.score for one in linked] == [0.9, 0.9]
    assert ap(made, with_truth_masks(made, swapped)) == 0.0


def test_bad_masks_are_mended_by_the_masks_and_not_by_the_association() -> None:
    """IoU 0.6 counts at 0.5, 0.55 and 0.6 (60 / 100 is exact): AP 0.3."""
    made = two_objects()
    small = [track([LEFT_SMALL] * 4, 0.9), track([RIGHT_SMALL] * 4, 0.8)]
    assert ap(made, small) == pytest.approx(0.3)
    assert ap(made, with_truth_association(made, small)) == pytest.approx(0.3)
    assert ap(made, with_truth_masks(made, small)) == pytest.approx(1.0)


def test_both_halves_bad() -> None:
    made = two_objects()
    bad = [
        track([LEFT_SMALL, LEFT_SMALL, RIGHT_SMALL, RIGHT_SMALL], 0.9),
        track([RIGHT_SMALL, RIGHT_SMALL, LEFT_SMALL, LEFT_SMALL], 0.8),
    ]
    oracles = explain_tracks(made, bad, replicates=2)["oracles"]
    assert [oracles[name]["AP"] for name in ORACLES] == pytest.approx([0.0, 0.3, 0.0, 1.0])


def test_classes_are_not_mended() -> None:
    made = metric_corpus.dataset([truth_track(1, [LEFT] * 4)], {1: 4}, SIZE)
    wrong = [track([LEFT] * 4, 0.9, category=2)]
    assert with_truth_association(made, wrong) == wrong
    assert with_truth_masks(made, wrong) == wrong


def test_a_mask_that_nothing_takes_stays_with_the_object_of_its_track() -> None:
    """Frame 2 of the track is too small to be matched; it stays, so the repair makes nothing worse."""
    made = metric_corpus.dataset([truth_track(1, [LEFT] * 4)], {1: 4}, SIZE)
    tiny = rectangle(SIZE, 0, 0, 2, 2)
    one = track([LEFT, LEFT, tiny, LEFT], 0.9)
    assert [t.segmentations for t in with_truth_association(made, [one])] == [one.segmentations]


def test_links_by_hand() -> None:
    """The better scored of two masks on one object takes it; the other takes nothing."""
    made = two_objects()
    tracks = [track([LEFT] * 4, 0.3), track([LEFT, LEFT, RIGHT, None], 0.9)]
    overlap = video_overlap(1, 4, made.tracks_by_video[1], tracks)
    links = oracle_links(overlap)
    np.testing.assert_array_equal(links, [[1, -1], [1, -1], [0, 1], [0, -1]])
    present = np.array([[True] * 4, [True, True, True, False]])
    # track 0 was linked with object 0 in frames 2 and 3 only; in 0 and 1 that object is taken
    np.testing.assert_array_equal(follow_up(links, present), links)


def test_boxes() -> None:
    """The switch of the first test with boxes in place of masks."""
    made = two_objects()
    left, right = (0.0, 0.0, 10.0, 10.0), (20.0, 0.0, 10.0, 10.0)
    none = (None,) * 4
    swapped = [
        Track(1, 1, 0.9, none, (left, left, right, right)),
        Track(1, 1, 0.8, none, (right, right, left, left)),
    ]
    linked = with_truth_association(made, swapped, "bbox")
    assert [one.boxes for one in linked] == [(left,) * 4, (right,) * 4]
    assert all(one.segmentations == none for one in linked)
    assert with_truth_masks(made, swapped, "bbox") == swapped


def test_masks_stand_in_for_boxes_that_are_not_there() -> None:
    """Scored on boxes, the tight box of a mask counts: of the truth in frame 2, of the tracks everywhere."""
    made = two_objects()
    first, second = made.tracks or ()
    made = replace(made, tracks=(replace(first, boxes=(first.boxes[0], None, *first.boxes[2:])), second))
    small = [track([LEFT_SMALL] * 4, 0.9), track([RIGHT_SMALL] * 4, 0.8)]
    boxes = [
        replace(one, segmentations=(None,) * 4, boxes=(rle.tight_box(one.segmentations[0]),) * 4)
        for one in small
    ]
    for tracks in (small, boxes):
        # IoU 0.6 counts at 0.5, 0.55 and 0.6, as of the masks above
        scores = [
            scoring.evaluate(made, found, ["ap"], "bbox")["video_ap"]["AP"]
            for found in (
                tracks,
                with_truth_association(made, tracks, "bbox"),
                with_truth_masks(made, tracks, "bbox"),
            )
        ]
        assert scores == pytest.approx([0.3, 0.3, 1.0])


def test_a_track_with_masks_in_some_frames_and_boxes_in_others_is_linked_whole() -> None:
    """Frame 3 is too far off to be matched and has a box only; it stays with the object of its track."""
    made = two_objects()
    near, far = (0.0, 0.0, 10.0, 10.0), (0.0, 0.0, 2.0, 2.0)
    mixed = replace(track([LEFT, None, None, None], 0.9), boxes=(None, near, far, near))
    (linked,) = with_truth_association(made, [mixed], "bbox")
    assert (linked.segmentations, linked.boxes) == (mixed.segmentations, mixed.boxes)


@pytest.mark.parametrize("seed", range(8))
def test_inputs_stay_as_they_are_and_results_repeat(seed: int) -> None:
    made, tracks = metric_corpus.random_corpus(np.random.default_rng(seed))
    before = list(tracks)
    first = explain_tracks(made, tracks, replicates=2)
    assert list(tracks) == before
    assert explain_tracks(made, tracks, replicates=2) == first


def test_the_cost_of_a_video_by_hand() -> None:
    """Video 1 is solved, video 2 is missed: AP 0.51 (51 of 101 recall levels); without video 2 it is 1."""
    made = metric_corpus.dataset(
        [truth_track(1, [LEFT] * 2, video=1), truth_track(2, [LEFT] * 2, video=2)], {1: 2, 2: 2}, SIZE
    )
    statistics = scoring.measure(made, [track([LEFT] * 2, 0.9, video=1)], ["ap"])
    costs = scoring.video_costs(statistics)
    assert costs == pytest.approx({1: -51 / 101, 2: 1 - 51 / 101})
    named = costly_videos(statistics, {1: "good", 2: "bad"})
    assert [(one["video"], one["name"]) for one in named] == [(2, "bad")]


def test_several_processes_give_the_same_numbers() -> None:
    corpus = metric_corpus.load("small")
    alone = scoring.evaluate(corpus.dataset, corpus.tracks)
    assert scoring.evaluate(corpus.dataset, corpus.tracks, jobs=2) == alone
