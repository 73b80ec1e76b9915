"""Temporal errors: one constructed video per kind, the sums that tie them to MOT, what must not matter."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import replace

import metric_corpus
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from metric_corpus import rectangle, track, truth_track

from vis_bench.errors import DataError
from vis_bench.metrics import mot, temporal_errors
from vis_bench.metrics.frame_links import TIE_WEIGHT, follow, last_partner, present_frames
from vis_bench.metrics.overlap import sequence_iou, video_overlap
from vis_bench.metrics.prediction_facts import prediction_facts
from vis_bench.metrics.temporal_errors import KINDS, TemporalError
from vis_bench.report.terminal.summary import evaluation_summary
from vis_bench.scoring import evaluate as scoring
from vis_bench.scoring.evaluate import error_events, evaluate
from vis_bench.types import Dataset, Track, TruthTrack

SIZE = (40, 60)
SEEDS = st.integers(0, 2**32 - 1)


def at(x: int, y: int = 0, width: int = 10, height: int = 10) -> np.ndarray:
    return rectangle(SIZE, x, y, width, height)


A, B, C = at(0), at(15), at(30)  # three places without overlap
BOTH = at(0) | at(10)


def counts_of(truth: list[TruthTrack], tracks: list[Track], length: int) -> dict[str, int]:
    """The kinds that are not zero."""
    result = evaluate(metric_corpus.dataset(truth, {1: length}, SIZE), tracks, ["errors"])
    numbers = result["errors"]["class_agnostic"]["0.3"]
    assert numbers["truth_frames"] == sum(s is not None for one in truth for s in one.segmentations)
    for kind in KINDS:
        assert numbers[f"{kind}_per_100_frames"] == 100 * numbers[kind] / numbers["truth_frames"]
    return {kind: numbers[kind] for kind in KINDS if numbers[kind]}


def events_of(truth: list[TruthTrack], tracks: list[Track], length: int) -> list[tuple]:
    events = error_events(metric_corpus.dataset(truth, {1: length}, SIZE), tracks)
    assert all(event.video_id == 1 for event in events)
    return [(event.kind, event.frame, event.truth_ids, event.tracks) for event in events]


ONE = [truth_track(7, [A] * 6)]
TWO = [truth_track(7, [A] * 6), truth_track(8, [B] * 6)]
SIDE_BY_SIDE = [truth_track(7, [A] * 6), truth_track(8, [at(10)] * 6)]
N = None

# truth, masks of the tracks (all with score 0.9), events: kind, frame, annotation ids, track positions
CASES = {
    "identity_change": (
        ONE,
        [[A, A, A, N, N, N], [N, N, N, A, A, A]],
        [("identity_change", 3, (7,), (0, 1))],
    ),
    "identity_switch": (
        TWO,
        [[A, A, A, B, B, B], [B, B, B, A, A, A]],
        [("identity_switch", 3, (7, 8), (1, 0))],
    ),
    "lost": (
        ONE,
        [[A, A, N, N, A, A]],
        [("lost", 2, (7,), (0,)), ("lost", 3, (7,), (0,))],
    ),
    "merged": (
        SIDE_BY_SIDE,
        [[A, A, BOTH, BOTH, A, A], [at(10), at(10), N, N, at(10), at(10)]],
        [("merged", 2, (8, 7), (0,)), ("merged", 3, (8, 7), (0,))],
    ),
    "duplicate": (
        TWO,
        [[A] * 6, [N, B, B, N, N, N], [B] * 6],
        [("duplicate", t, (8,), (1, 2)) for t in (1, 2)],
    ),
    "late_birth": (ONE, [[N, N, A, A, A, A]], [("late_birth", t, (7,), (0,)) for t in (0, 1)]),
    "early_death": (ONE, [[A, A, A, A, N, N]], [("early_death", t, (7,), (0,)) for t in (4, 5)]),
    "missed": (TWO, [[A] * 6], [("missed", t, (8,), ()) for t in range(6)]),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_single_error_is_counted_under_its_kind_only(kind: str) -> None:
    truth, masks, expected = CASES[kind]
    tracks = [track(row, 0.9) for row in masks]
    assert counts_of(truth, tracks, 6) == {kind: len(expected)}
    assert events_of(truth, tracks, 6) == expected


def test_rates_are_per_100_truth_frames() -> None:
    made = metric_corpus.dataset(TWO, {1: 6}, SIZE)
    numbers = evaluate(made, [track([A, A, N, N, N, A], 0.9)], ["errors"])["errors"]["class_agnostic"]["0.3"]
    assert (numbers["truth_frames"], numbers["lost"], numbers["missed"]) == (12, 3, 6)
    assert (numbers["lost_per_100_frames"], numbers["missed_per_100_frames"]) == (25.0, 50.0)


def test_an_exchange_may_take_several_frames() -> None:
    """Both vanish behind each other; one comes back in frame 2 with the other's track."""
    tracks = [track([A, N, N, N, B, B], 0.9), track([B, N, A, A, A, A], 0.9)]
    assert counts_of(TWO, tracks, 6) == {"identity_switch": 1, "lost": 4}
    assert ("identity_switch", 4, (7, 8), (1, 0)) in events_of(TWO, tracks, 6)


def test_taking_a_track_over_without_giving_one_back_is_a_change() -> None:
    """Object 7 takes the track of 8, which goes on with a new one: two changes and no exchange."""
    tracks = [track([A, A, A, N, N, N], 0.9), track([B, B, B, A, A, A], 0.9), track([N, N, N, B, B, B], 0.9)]
    assert counts_of(TWO, tracks, 6) == {"identity_change": 2}


def test_an_object_that_has_moved_on_exchanges_nothing() -> None:
    """7 leaves its track for 8's and then for a third; when 8 gets 7's old one, 7 no longer has 8's."""
    tracks = [
        track([A, A, N, N, B, B], 0.9),
        track([B, B, A, N, N, N], 0.9),
        track([N, N, N, A, A, A], 0.9),
    ]
    assert counts_of(TWO, tracks, 6) == {"identity_change": 3, "lost": 2}


def test_an_exchange_needs_both_tracks_before_it() -> None:
    """8 gets the track that 7 uses only after 7 has left the first one: two changes."""
    tracks = [track([A, N, N, B], 0.9), track([N, A, B, N], 0.9)]
    truth = [truth_track(7, [A] * 4), truth_track(8, [B] * 4)]
    assert counts_of(truth, tracks, 4) == {"identity_change": 2, "late_birth": 2, "early_death": 2}


def test_the_second_half_of_an_exchange_does_not_come_before_the_first() -> None:
    """8 leaves track 1 in frame 2 and 7 takes it in frame 5, but in between they exchanged the tracks."""
    tracks = [track([N, N, B, A, N, N], 0.9), track([A, B, N, N, B, A], 0.9)]
    events = events_of(TWO, tracks, 6)
    assert [event for event in events if event[0].startswith("identity")] == [
        ("identity_change", 2, (8,), (1, 0)),
        ("identity_switch", 4, (7, 8), (0, 1)),
        ("identity_change", 5, (7,), (0, 1)),
    ]


def test_the_earliest_exchange_counts() -> None:
    """8 goes back and forth once more while 7 is away; the exchange was in frame 1."""
    truth = [truth_track(7, [A] * 4), truth_track(8, [B] * 4)]
    tracks = [track([A, B, N, B], 0.9), track([B, A, B, N], 0.9)]
    events = [event for event in events_of(truth, tracks, 4) if event[0].startswith("identity")]
    assert [(kind, t) for kind, t, *_ in events] == [
        ("identity_switch", 1),
        ("identity_change", 2),
        ("identity_change", 3),
    ]


def test_two_exchanges_back_and_forth_are_two() -> None:
    tracks = [track([A, A, B, B, A, A], 0.9), track([B, B, A, A, B, B], 0.9)]
    assert counts_of(TWO, tracks, 6) == {"identity_switch": 2}


def test_three_that_rotate_are_three_changes() -> None:
    truth = [truth_track(i, [place] * 2) for i, place in enumerate((A, B, C))]
    tracks = [track([first, then], 0.9) for first, then in ((A, B), (B, C), (C, A))]
    assert counts_of(truth, tracks, 2) == {"identity_change": 3}


def test_a_track_is_carried_on_although_another_fits_better() -> None:
    """From frame 2 on the first track is at IoU 0.6, and a better one stands by: duplicates, no change."""
    tracks = [track([A, A, *[at(0, 0, 6)] * 4], 0.9), track([N, N, A, A, A, A], 0.9)]
    assert counts_of(ONE, tracks, 6) == {"duplicate": 4}


def test_half_of_an_object_is_enough_and_less_is_not() -> None:
    assert counts_of(ONE, [track([A, at(0, 0, 5), *[A] * 4], 0.9)], 6) == {}
    assert counts_of(ONE, [track([A, at(0, 0, 4), *[A] * 4], 0.9)], 6) == {"lost": 1}


def test_a_merge_needs_two_objects_without_tracks_of_their_own() -> None:
    """A mask over both while each has its own is neither merged nor a duplicate: IoU is below a half."""
    own = [track([A] * 6, 0.9), track([at(10)] * 6, 0.9)]
    wide = track([at(0, 0, 25)] * 6, 0.9)  # IoU 0.4 with each
    assert counts_of(SIDE_BY_SIDE, [*own, wide], 6) == {}
    assert counts_of(SIDE_BY_SIDE, [own[0], wide], 6) == {"missed": 6}
    assert counts_of(SIDE_BY_SIDE, [wide], 6) == {"merged": 12}
    assert events_of(SIDE_BY_SIDE, [wide], 6)[:2] == [
        ("merged", 0, (7, 8), (0,)),
        ("merged", 0, (8, 7), (0,)),
    ]


def test_covering_half_of_an_object_merges_it() -> None:
    own = track([A, A, N, N, N, N], 0.9)
    half, less = at(0, 0, 15), at(0, 0, 14)
    second = track([at(10), at(10), N, N, at(10), at(10)], 0.9)
    over = track([N, N, half, half, A, A], 0.9)
    truth = SIDE_BY_SIDE
    assert counts_of(truth, [own, second, over], 6) == {"identity_change": 1, "merged": 2}
    over = track([N, N, less, less, A, A], 0.9)
    assert counts_of(truth, [own, second, over], 6) == {"identity_change": 1, "lost": 2}


def test_merged_comes_before_lost_born_late_and_dead_early() -> None:
    second = [N, N, at(10), N, N, N]
    tracks = [track([BOTH, BOTH, A, BOTH, BOTH, BOTH], 0.9), track(second, 0.9)]
    assert counts_of(SIDE_BY_SIDE, tracks, 6) == {"merged": 5}


def test_absent_objects_and_masks_without_pixels_are_no_errors() -> None:
    empty = np.zeros(SIZE, dtype=bool)
    truth = [truth_track(7, [A, N, empty, A])]
    assert counts_of([truth_track(7, [A, N, N, A])], [track([A, N, empty, A], 0.9)], 4) == {}
    made = metric_corpus.dataset(truth, {1: 4}, SIZE)
    numbers = evaluate(made, [track([A, N, empty, A], 0.9)], ["errors"])["errors"]["class_agnostic"]["0.3"]
    assert (numbers["truth_frames"], sum(numbers[kind] for kind in KINDS)) == (2, 0)


def test_scores_have_to_exceed_the_threshold_and_classes_do_not_matter() -> None:
    truth = [replace(ONE[0], category_id=1)]
    made = metric_corpus.dataset(truth, {1: 6}, SIZE, categories=2)
    below, other_class = track([A] * 6, 0.3), track([A] * 6, 0.31, category=2)
    assert Counter(event.kind for event in error_events(made, [below])) == {"missed": 6}
    assert error_events(made, [below, other_class]) == ()
    assert Counter(event.kind for event in error_events(made, [below, other_class], above=0.2)) == {
        "duplicate": 6
    }


def test_equal_masks_in_one_frame_are_told_apart_by_the_rest_of_the_video() -> None:
    """Both tracks are perfect in frame 0; the one that stays is the match, whatever the order."""
    tracks = [track([A, N, N, N, N, N], 0.9), track([A] * 6, 0.9)]
    for order in ([0, 1], [1, 0]):
        assert counts_of(ONE, [tracks[i] for i in order], 6) == {"duplicate": 1}


def test_events_name_annotations_and_positions_of_the_scored_list() -> None:
    truth = [truth_track(31, [A, A], video=9), truth_track(32, [B, B], video=4)]
    made = metric_corpus.dataset(truth, {9: 2, 4: 2}, SIZE)
    tracks = [track([N, A], 0.9, video=9), track([C, C], 0.1, video=9), track([B, N], 0.9, video=4)]
    assert error_events(made, tracks) == (
        TemporalError("early_death", 4, 1, (32,), (2,)),
        TemporalError("late_birth", 9, 0, (31,), (0,)),
    )
    with pytest.raises(DataError, match="no public truth"):
        error_events(replace(made, tracks=None), tracks)


def test_boxes_instead_of_masks() -> None:
    """An L-shaped mask has a full box: missed by masks, right by boxes."""
    corner = at(0, 0, 10, 2) | at(0, 0, 2, 10)
    made = metric_corpus.dataset(ONE, {1: 6}, SIZE)
    assert len(error_events(made, [track([corner] * 6, 0.9)])) == 6
    assert error_events(made, [track([corner] * 6, 0.9)], iou_type="bbox") == ()


def test_last_partner() -> None:
    assigned = np.array([[-1, 4], [2, -1], [-1, 5]])
    assert last_partner(assigned).tolist() == [[-1, -1], [-1, 4], [2, 4], [2, 5]]


def crowded_corpus(rng: np.random.Generator) -> tuple[Dataset, list[Track]]:
    """Two videos with tracks that jump between objects, join two, or are drawn anew; hardly any ties."""

    def place() -> np.ndarray:
        x, y = rng.integers(0, 35), rng.integers(0, 20)
        return at(x, y, int(rng.integers(5, 25)), int(rng.integers(5, 20)))

    truth, tracks, lengths = [], [], {3: 5, 8: 4}
    for video, length in lengths.items():
        objects = [[place() if rng.random() < 0.9 else None for _ in range(length)] for _ in range(4)]
        truth += [truth_track(len(truth) + i, row, video=video) for i, row in enumerate(objects)]
        for _ in range(5):
            row: list[np.ndarray | None] = []
            for t in range(length):
                first, second = (objects[i][t] for i in rng.permutation(4)[:2])
                both = first | second if first is not None and second is not None else None
                row.append([None, first, both, place()][rng.choice(4, p=[0.1, 0.6, 0.15, 0.15])])
            tracks.append(track(row, float(rng.choice([0.2, 0.6, 0.9])), video=video))
    return metric_corpus.dataset(truth, lengths, SIZE), tracks


def numbers_of(made: Dataset, tracks: list[Track]) -> dict[str, float]:
    return evaluate(made, tracks, ["errors"])["errors"]["class_agnostic"]["0.3"]


@settings(max_examples=60, deadline=None)
@given(seed=SEEDS)
def test_the_kinds_add_up_to_the_mot_counts_on_mask_iou(seed: int) -> None:
    """Unmatched frames = FN, changes + 2 exchanges = ID switches, and duplicates are some of the FP."""
    made, tracks = metric_corpus.random_corpus(np.random.default_rng(seed))
    for video in made.videos:
        truth = made.tracks_by_video[video.id]
        found = [one for one in tracks if one.video_id == video.id]
        overlap = video_overlap(video.id, video.length, truth, found)
        frames = present_frames(overlap, 0.25)
        shape = (video.length, len(truth), len(found))
        present_truth, present = np.zeros(shape[:2], dtype=bool), np.zeros(shape[::2], dtype=bool)
        distance = np.full(shape, np.nan)
        tie_break = TIE_WEIGHT * sequence_iou(overlap)
        for t, frame in enumerate(frames):
            present_truth[t, frame.truths], present[t, frame.predictions] = True, True
            where = np.ix_(frame.truths, frame.predictions)
            distance[t][where] = np.where(frame.iou >= 0.5, 1 - frame.iou - tie_break[where], np.nan)
        expected = mot.count_events(present_truth, present, distance)
        errors = dict(zip(KINDS, temporal_errors.per_video(overlap, 0.25).errors.tolist(), strict=True))
        unmatched = ("lost", "merged", "late_birth", "early_death", "missed")
        assert sum(errors[kind] for kind in unmatched) == expected.misses
        assert errors["identity_change"] + 2 * errors["identity_switch"] == expected.switches
        assert errors["duplicate"] <= expected.false_positives


@settings(max_examples=60, deadline=None)
@given(seed=SEEDS)
def test_truth_as_prediction_has_no_error(seed: int) -> None:
    """Also with overlapping and equal objects, crowds, absences and empty masks."""
    made, _ = metric_corpus.random_corpus(np.random.default_rng(seed))
    perfect = [Track(one.video_id, one.category_id, 0.9, one.segmentations) for one in made.tracks or ()]
    assert error_events(made, perfect) == ()
    assert all(numbers_of(made, perfect)[kind] == 0 for kind in KINDS)


@settings(max_examples=40, deadline=None)
@given(seed=SEEDS)
def test_order_does_not_matter(seed: int) -> None:
    rng = np.random.default_rng(seed)
    made, tracks = crowded_corpus(rng)
    other = replace(made, videos=made.videos[::-1])
    order = rng.permutation(len(tracks))
    shuffled = [tracks[i] for i in order]
    assert numbers_of(made, tracks) == numbers_of(other, shuffled)
    before = [replace(event, tracks=()) for event in error_events(made, tracks)]
    assert before == [replace(event, tracks=()) for event in error_events(other, shuffled)]


@settings(max_examples=40, deadline=None)
@given(seed=SEEDS)
def test_every_unmatched_object_frame_has_one_error(seed: int) -> None:
    made, tracks = crowded_corpus(np.random.default_rng(seed))
    kinds = ("lost", "merged", "late_birth", "early_death", "missed")
    events = [event for event in error_events(made, tracks) if event.kind in kinds]
    found = Counter((event.video_id, event.frame, event.truth_ids[0]) for event in events)
    expected = Counter()
    for video in made.videos:
        truth = made.tracks_by_video[video.id]
        overlap = video_overlap(video.id, video.length, truth, [k for k in tracks if k.video_id == video.id])
        assigned = follow(overlap, present_frames(overlap, 0.3))
        for t, g in itertools.product(range(video.length), range(len(truth))):
            if overlap.truth_area[g, t] > 0 and assigned[t, g] < 0:
                expected[video.id, t, truth[g].id] += 1
    assert found == expected


@settings(max_examples=30, deadline=None)
@given(seed=SEEDS)
def test_weights_count_videos_and_events_agree_with_counts(seed: int) -> None:
    rng = np.random.default_rng(seed)
    made, tracks = crowded_corpus(rng)
    statistics = scoring.measure(made, tracks, ["errors"])
    weights = rng.integers(0, 4, (3, 2)).astype(float)
    reduced = scoring.reduce(statistics, weights)
    events = Counter((event.kind, event.video_id) for event in error_events(made, tracks))
    for kind in KINDS:
        per_video = np.array([events[kind, video] for video in statistics.video_ids])
        assert reduced["errors", "class_agnostic", "0.3", kind].tolist() == (weights @ per_video).tolist()


def test_summary_shows_counts_and_rates_in_80_columns() -> None:
    made = metric_corpus.dataset(TWO, {1: 6}, SIZE)
    result = evaluate(made, [track([A, A, N, N, N, A], 0.9)], ["errors"])
    found = prediction_facts(made, [track([A], 0.9)])
    text = evaluation_summary(result, made, found)
    assert "errors class agnostic, score > 0.3: count, per 100 of 12 truth frames" in text
    words = " ".join(text.split())
    assert "lost 3 25.00" in words
    assert "missed 6 50.00" in words
    assert all(kind.replace("_", " ") in words for kind in KINDS)
    assert all(len(line) <= 80 for line in text.splitlines())
    none = metric_corpus.dataset([], {1: 6}, SIZE)
    text = evaluation_summary(evaluate(none, [], ["errors"]), none, prediction_facts(none, []))
    assert "lost 0 -" in " ".join(text.split())
