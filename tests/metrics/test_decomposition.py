"""Error decomposition: data sets with a single kind of error, on which the whole gap to AP 1 has to fall."""

from __future__ import annotations

from dataclasses import replace

import metric_corpus
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from metric_corpus import rectangle, track, truth_track

from vis_bench.errors import DataError
from vis_bench.metrics import decomposition, video_ap
from vis_bench.metrics.overlap import VideoOverlap, video_overlap
from vis_bench.metrics.track_errors import (
    KINDS,
    PREDICTION_KINDS,
    followed_objects,
    label_errors,
    linked_iou,
    match_tracks,
)
from vis_bench.scoring import evaluate as scoring
from vis_bench.types import Dataset, Track, TruthTrack

SIZE = (20, 60)
SEEDS = st.integers(0, 2**32 - 1)


def at(x: int, width: int = 10) -> np.ndarray:
    return rectangle(SIZE, x, 0, width, 10)


A, B, C = at(0), at(15), at(30)  # three places without overlap
N = None
ONE = [truth_track(1, [A] * 6)]
TWO = [truth_track(1, [A] * 6), truth_track(2, [B] * 6)]
TWO_CLASSES = [TWO[0], replace(TWO[1], category_id=2)]

# truth, (masks, score, category) of the predictions, AP that is left
CASES = {
    "classification": (TWO_CLASSES, [([A] * 6, 0.9, 1), ([B] * 6, 0.8, 1)], 0.5),
    "mask": (ONE, [([at(0, 4)] * 6, 0.9, 1)], 0.0),
    "identity": (TWO, [([A, A, A, B, B, B], 0.9, 1), ([B, B, B, A, A, A], 0.8, 1)], 0.0),
    "fragmentation": (ONE, [([A, A, A, A, N, N], 0.9, 1), ([N, N, N, N, A, A], 0.8, 1)], 0.4),
    "duplicate": (TWO, [([A] * 6, 0.9, 1), ([A] * 6, 0.8, 1), ([B] * 6, 0.7, 1)], (51 + 50 * 2 / 3) / 101),
    "background": (ONE, [([C] * 6, 0.9, 1), ([A] * 6, 0.8, 1)], 0.5),
    "class_and_mask": (TWO_CLASSES, [([A] * 6, 0.9, 1), ([at(15, 4)] * 6, 0.8, 1)], 0.5),
    "missed": (TWO, [([A] * 6, 0.9, 1)], 51 / 101),
}


def gains(
    truth: list[TruthTrack], rows: list[tuple], level: int | None = None, categories: int = 2
) -> dict[str, float]:
    """AP and the gains of one video."""
    made = metric_corpus.dataset(truth, {1: len(rows[0][0]) if rows else 6}, SIZE, categories=categories)
    tracks = [track(masks, score, category=category) for masks, score, category in rows]
    values = decomposition.reduce(scoring.decompose(made, tracks), np.ones((1, 1)), level)
    return {name: float(value[0]) for name, value in values.items()}


@pytest.mark.parametrize("kind", KINDS)
def test_the_whole_gap_falls_on_the_single_kind_of_error(kind: str) -> None:
    truth, rows, score = CASES[kind]
    found = gains(truth, rows)
    assert found.pop("AP") == pytest.approx(score, abs=1e-12)
    assert found.pop(kind) == pytest.approx(1 - score, abs=1e-12)
    assert found == dict.fromkeys(found, 0.0)


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"fragmentation"}))
def test_the_same_at_iou_50(kind: str) -> None:
    truth, rows, score = CASES[kind]
    found = gains(truth, rows, level=0)
    assert found["AP"] == pytest.approx(score, abs=1e-12)
    assert {name for name, value in found.items() if value} - {"AP"} == {kind}
    assert found[kind] == pytest.approx(1 - score, abs=1e-12)


def test_nothing_is_gained_where_all_is_right() -> None:
    found = gains(TWO, [([A] * 6, 0.9, 1), ([B] * 6, 0.8, 1)])
    assert found.pop("AP") == pytest.approx(1.0, abs=1e-12)
    assert found == dict.fromkeys(found, 0.0)


def test_a_mask_error_starts_above_the_iou_of_the_track() -> None:
    """J = 0.75: right at six of ten thresholds (0.5 to 0.75), a mask error at the other four."""
    found = gains(ONE, [([A, A, A, A, at(0, 5), N], 0.9, 1)])
    assert found["AP"] == pytest.approx(0.6, abs=1e-12)
    assert found["mask"] == pytest.approx(0.4, abs=1e-12)


def test_pieces_become_one_track_and_the_rest_disappears() -> None:
    """Three pieces and one object: the best piece is repaired, so a later object ranks higher as well."""
    rows = [([A, A, N, N, N, N], 0.9, 1), ([N, N, A, A, N, N], 0.8, 1), ([N, N, N, N, A, A], 0.7, 1)]
    found = gains(TWO, [*rows, ([B] * 6, 0.6, 1)])
    # right only at rank 4, recall 0.5
    assert found["AP"] == pytest.approx(51 / 101 / 4, abs=1e-12)
    assert found["fragmentation"] == pytest.approx(1 - 51 / 101 / 4, abs=1e-12)
    assert found["missed"] == 0.0


def test_association_is_blamed_only_if_it_would_be_enough() -> None:
    """Two halves at frame IoU 0.6 reach 0.6 when joined; at higher thresholds the masks are to blame."""
    half = at(0, 6)
    rows = [([half, half, half, N, N, N], 0.9, 1), ([N, N, N, half, half, half], 0.8, 1)]
    for level, kind in enumerate(["fragmentation"] * 3 + ["mask"] * 7):
        found = gains(ONE, rows, level)
        assert found["AP"] == 0.0
        assert found[kind] == pytest.approx(1.0, abs=1e-12)


def test_two_full_tracks_are_no_pieces() -> None:
    """A second, bad track of a found object is a mask error, although it follows only that object."""
    rows = [([at(0, 6)] * 6, 0.9, 1), ([A] * 6, 0.8, 1)]
    found = gains(ONE, rows, level=5)
    assert found["AP"] == pytest.approx(0.5, abs=1e-12)
    assert found["mask"] == pytest.approx(0.5, abs=1e-12)
    assert found["fragmentation"] == 0.0


def test_pieces_may_share_a_few_frames() -> None:
    """Four and three frames with one in common: right up to J = 2/3, a broken track above."""
    found = gains(ONE, [([A, A, A, A, N, N], 0.9, 1), ([N, N, N, A, A, A], 0.8, 1)])
    assert found["AP"] == pytest.approx(0.4, abs=1e-12)
    assert found["fragmentation"] == pytest.approx(0.6, abs=1e-12)
    assert {name for name, gain in found.items() if gain} == {"AP", "fragmentation"}


def test_a_track_of_another_class_has_no_piece() -> None:
    """Object 1 is found; its part in category 1 is bad by itself, its part in category 2 no concern of it."""
    parts = [([A, A, A, A, N, N], 0.8, 1), ([N, N, N, N, A, A], 0.7, 2)]
    found = gains(TWO, [([A] * 6, 0.9, 1), *parts, ([B] * 6, 0.6, 1)], level=5)
    assert found["fragmentation"] == 0.0
    assert found["mask"] > 0.1
    same_class = [parts[0], (*parts[1][:2], 1)]
    found = gains(TWO, [([A] * 6, 0.9, 1), *same_class, ([B] * 6, 0.6, 1)], level=5)
    assert found["fragmentation"] > 0.1
    assert found["mask"] == 0.0


def test_the_best_of_several_bad_tracks_is_repaired() -> None:
    rows = [([at(0, 4)] * 6, 0.9, 1), ([C] * 6, 0.8, 1), ([at(0, 4)] * 6, 0.7, 1)]
    found = gains(ONE, rows)
    assert found["AP"] == 0.0
    assert found["mask"] == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize(("category", "kind"), [(1, "mask"), (2, "class_and_mask")])
def test_background_begins_below_iou_one_tenth(category: int, kind: str) -> None:
    found = gains(ONE, [([at(0, 1)] * 6, 0.9, category)])
    assert (found["AP"], found["missed"]) == (0.0, 0.0)
    assert found[kind] == pytest.approx(1.0, abs=1e-12)
    empty = np.zeros(SIZE, dtype=bool)
    below = gains(ONE, [([at(0, 1)] * 5 + [empty], 0.9, category)])
    assert below[kind] == 0.0
    assert below["missed"] > 0.0


def test_a_bad_track_is_given_the_object_it_fits_best() -> None:
    """The first one touches both objects; if it got the second, the other track would get nothing."""
    rows = [([at(0, 4) | at(15, 2)] * 6, 0.9, 1), ([at(15, 4)] * 6, 0.8, 1)]
    found = gains(TWO, rows)
    assert found["AP"] == 0.0
    assert found["mask"] == pytest.approx(1.0, abs=1e-12)
    assert found["missed"] == 0.0


def test_a_jump_onto_another_object_is_an_identity_error_of_both_tracks() -> None:
    """The second track jumps to object 2 and so takes two frames from the third, which does not jump."""
    rows = [([A] * 6, 0.9, 1), ([N, N, A, A, B, B], 0.8, 1), ([B, B, B, B, N, N], 0.7, 1)]
    found = gains(TWO, rows, level=5)
    assert found["AP"] == pytest.approx(51 / 101, abs=1e-12)
    assert found["identity"] == pytest.approx(50 / 101, abs=1e-12)
    assert {name for name, gain in found.items() if gain} == {"AP", "identity"}


def test_a_wrong_class_beside_the_right_one_is_removed() -> None:
    """Category 2 is predicted first on an object of category 1 that is found already."""
    truth = [TWO[0], replace(TWO[1], category_id=2)]
    rows = [([A] * 6, 0.9, 2), ([A] * 6, 0.8, 1), ([B] * 6, 0.7, 2)]
    found = gains(truth, rows)
    assert found["AP"] == pytest.approx(0.75, abs=1e-12)
    assert found["classification"] == pytest.approx(0.25, abs=1e-12)


def test_a_category_of_which_nothing_was_found_is_solved_by_the_repair() -> None:
    assert gains(TWO, []) == {"AP": 0.0, **dict.fromkeys(PREDICTION_KINDS, 0.0), "missed": 1.0}
    no_truth = gains([], [([A] * 6, 0.9, 1)])
    assert all(np.isnan(value) for value in no_truth.values())


def test_crowds_are_neither_missed_nor_repaired() -> None:
    truth = [TWO[0], replace(TWO[1], is_crowd=True)]
    assert gains(truth, [([A] * 6, 0.9, 1)])["missed"] == 0.0
    on_crowd = gains(truth, [([B] * 6, 0.95, 1), ([at(15, 4)] * 6, 0.9, 1), ([A] * 6, 0.8, 1)])
    assert on_crowd["AP"] == pytest.approx(0.5, abs=1e-12)
    assert on_crowd["background"] == pytest.approx(0.5, abs=1e-12)
    assert on_crowd["mask"] == on_crowd["duplicate"] == 0.0
    other_crowd = [truth[0], replace(truth[1], category_id=2)]
    beside = gains(other_crowd, [([B] * 6, 0.95, 1), ([A] * 6, 0.8, 1)])
    assert beside["background"] == pytest.approx(0.5, abs=1e-12)
    assert beside["classification"] == 0.0
    # leaving an object for a crowd is no jump between objects
    left = gains(truth, [([A, A, A, B, B, B], 0.9, 1)], level=0)
    assert left["mask"] == pytest.approx(1.0, abs=1e-12)
    assert left["identity"] == 0.0


def test_linked_iou_takes_the_best_mask_of_each_frame() -> None:
    """Frame 0: IoU 1; frame 1: the better of 0.6 and 0.8; frame 2: only 0.4, which follows nothing."""
    truth = [truth_track(1, [A] * 3)]
    tracks = [track([A, at(0, 6), at(0, 4)], 0.9), track([N, at(0, 8), N], 0.8)]
    overlap = video_overlap(1, 3, truth, tracks)
    followed = followed_objects(overlap)
    assert followed.tolist() == [[0, -1], [0, 0], [-1, -1]]
    assert linked_iou(overlap, np.array([0, 1]), followed).tolist() == [(100 + 80) / 300]
    assert linked_iou(overlap, np.array([0]), followed[:, :1]).tolist() == [(100 + 60) / 300]
    other_class = video_overlap(1, 3, truth, [replace(one, category_id=2) for one in tracks])
    assert linked_iou(other_class, np.array([0, 1]), followed).tolist() == [0.0]


def overlaps_of(made: Dataset, tracks: list[Track]) -> list[VideoOverlap]:
    return [
        video_overlap(v.id, v.length, made.tracks_by_video[v.id], [k for k in tracks if k.video_id == v.id])
        for v in sorted(made.videos, key=lambda video: video.id)
    ]


def jumping_corpus(rng: np.random.Generator) -> tuple[Dataset, list[Track]]:
    """Small data sets in which every kind of error occurs; hardly any ties."""

    def place() -> np.ndarray:
        x, y, width, height = (
            int(rng.integers(low, high)) for low, high in ((0, 40), (0, 9), (5, 20), (5, 11))
        )
        return rectangle(SIZE, x, y, width, height)

    truth: list[TruthTrack] = []
    tracks: list[Track] = []
    for video in (3, 8):
        objects = [[place()] * 4 for _ in range(3)]
        truth += [
            truth_track(
                10 * video + i,
                row,
                video=video,
                category=int(rng.integers(1, 3)),
                crowd=bool(rng.random() < 0.1),
            )
            for i, row in enumerate(objects)
        ]
        for _ in range(7):
            first, second = (objects[i] for i in rng.permutation(3)[:2])
            cut = int(rng.integers(0, 5))
            tail = [second[cut:], [None] * (4 - cut), first[cut:]][rng.integers(3)]
            masks = [m if rng.random() < 0.7 or m is None else m & place() for m in [*first[:cut], *tail]]
            tracks.append(track(masks, float(rng.random()), video=video, category=int(rng.integers(1, 3))))
        tracks.append(track([place()] * 4, float(rng.random()), video=video, category=1))
    return metric_corpus.dataset(truth, {3: 4, 8: 4}, SIZE, categories=3), tracks


@settings(max_examples=60, deadline=None)
@given(seed=SEEDS, tied=st.booleans())
def test_ap_is_video_ap_and_no_repair_costs_anything(seed: int, tied: bool) -> None:
    rng = np.random.default_rng(seed)
    made, tracks = metric_corpus.random_corpus(rng) if tied else jumping_corpus(rng)
    statistics = scoring.decompose(made, tracks)
    weights = np.concatenate([np.ones((1, len(made.videos))), rng.integers(0, 3, (3, len(made.videos)))])
    official = scoring.reduce(scoring.measure(made, tracks, ["ap"]), weights)
    for level, name in ((None, "AP"), (0, "AP50"), (5, "AP75")):
        found = decomposition.reduce(statistics, weights, level)
        np.testing.assert_allclose(found["AP"], official["video_ap", name], rtol=0, atol=1e-12)
        for kind in KINDS:
            gain = found[kind]
            assert (np.isnan(gain) == np.isnan(found["AP"])).all()
            assert (gain[~np.isnan(gain)] >= -1e-12).all()
            assert (gain + found["AP"])[~np.isnan(gain)].max(initial=0) <= 1 + 1e-12


@settings(max_examples=60, deadline=None)
@given(seed=SEEDS, tied=st.booleans())
def test_every_error_has_one_label_and_all_repairs_leave_nothing_wrong(seed: int, tied: bool) -> None:
    rng = np.random.default_rng(seed)
    made, tracks = metric_corpus.random_corpus(rng) if tied else jumping_corpus(rng)
    for overlap in overlaps_of(made, tracks):
        found = match_tracks(overlap)
        errors = label_errors(overlap, found)
        assert ((errors.label >= 0) == (~found.matched & ~found.ignored)).all()
        for t, free in enumerate(found.free):
            right = found.matched[t] & ~found.ignored[t]
            assert right.sum() + free.sum() == (~overlap.crowd).sum()
            receivers = errors.given[t] >= 0
            assert free[errors.given[t, receivers]].all()
            for k, kind in enumerate(PREDICTION_KINDS):
                objects = errors.given[t, receivers & (errors.label[t] == k)]
                assert len(set(objects.tolist())) == len(objects)
                assert kind not in ("duplicate", "background") or not len(objects)
            assert set(np.flatnonzero(free)) == set(errors.given[t, receivers]) | set(
                np.flatnonzero(errors.missed[t])
            )


@settings(max_examples=30, deadline=None)
@given(seed=SEEDS)
def test_order_does_not_matter(seed: int) -> None:
    rng = np.random.default_rng(seed)
    made, tracks = jumping_corpus(rng)
    first = decomposition.reduce(scoring.decompose(made, tracks), np.ones((1, 2)))
    shuffled = [tracks[i] for i in rng.permutation(len(tracks))]
    second = decomposition.reduce(
        scoring.decompose(replace(made, videos=made.videos[::-1]), shuffled), np.ones((1, 2))
    )
    assert {name: value.tolist() for name, value in first.items()} == {
        name: value.tolist() for name, value in second.items()
    }


def test_all_kinds_occur_in_the_random_data_sets() -> None:
    """Otherwise the properties above would be empty for some of them."""
    seen = set()
    for seed in range(20):
        for overlap in overlaps_of(*jumping_corpus(np.random.default_rng(seed))):
            errors = label_errors(overlap, match_tracks(overlap))
            seen |= {PREDICTION_KINDS[k] for k in np.unique(errors.label[errors.label >= 0])}
            seen |= {"missed"} if errors.missed.any() else set()
    assert seen == set(KINDS)


def test_more_than_100_predictions_of_a_category_are_cut_as_in_video_ap() -> None:
    rows = [track([C] * 2, 0.9 - i / 1000) for i in range(100)]
    overlap = video_overlap(1, 2, [truth_track(1, [A] * 2)], [*rows, track([A] * 2, 0.1)])
    found = match_tracks(overlap)
    assert len(found.rows) == video_ap.MAX_DETECTIONS[-1]
    assert label_errors(overlap, found).missed.all()


def test_hidden_truth_is_refused() -> None:
    made = replace(metric_corpus.dataset([], {1: 2}, SIZE), tracks=None)
    with pytest.raises(DataError, match="no public truth"):
        scoring.decompose(made, [])
