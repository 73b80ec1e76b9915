"""CLEAR MOT and identity measures equal py-motmetrics."""

from __future__ import annotations

from collections.abc import Sequence

import metric_corpus
import motmetrics
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from metric_corpus import rectangle, track, truth_track

from vis_bench.masks import rle
from vis_bench.metrics import mot
from vis_bench.scoring import evaluate as scoring
from vis_bench.types import Dataset, Track

NAMES = {
    "idf1": "IDF1",
    "idp": "IDP",
    "idr": "IDR",
    "mota": "MOTA",
    "num_switches": "IDs",
    "num_false_positives": "FP",
    "num_misses": "FN",
    "mostly_tracked": "MT",
    "mostly_lost": "ML",
    "num_fragmentations": "Frag",
}
SIZE = (20, 40)
LEFT = rectangle(SIZE, 0, 0, 10, 10)
RIGHT = rectangle(SIZE, 20, 0, 10, 10)
SEEDS = st.integers(0, 2**32 - 1)


def test_equals_the_reference_numbers() -> None:
    corpus = metric_corpus.load("medium")
    result = scoring.evaluate(corpus.dataset, corpus.tracks, ["mot"])["mot"]
    assert len(corpus.reference["mot"]) == 4
    for key, expected in corpus.reference["mot"].items():
        mode, above = key.split(">")
        for theirs, ours in NAMES.items():
            assert result[mode][above][ours] == pytest.approx(expected[theirs], rel=0, abs=1e-12), (key, ours)


def test_equals_motmetrics_on_the_small_corpus() -> None:
    corpus = metric_corpus.load("small")
    made, tracks = metric_corpus.in_content_order(corpus.dataset, corpus.tracks)
    _compare(made, tracks, [(True, 0.0), (False, 0.0), (True, 0.3), (False, 0.3)])


@pytest.mark.slow
@settings(max_examples=50, deadline=None)
@given(seed=SEEDS)
def test_equals_motmetrics_on_random_corpora(seed: int) -> None:
    made, tracks = metric_corpus.in_content_order(*metric_corpus.random_corpus(np.random.default_rng(seed)))
    _compare(made, tracks, [(True, 0.0), (False, 0.0), (True, 0.3), (False, 0.3)])


@settings(max_examples=15, deadline=None)
@given(seed=SEEDS)
def test_equals_motmetrics_on_a_few_random_corpora(seed: int) -> None:
    made, tracks = metric_corpus.in_content_order(*metric_corpus.random_corpus(np.random.default_rng(seed)))
    _compare(made, tracks, [(True, 0.0), (False, 0.0)])


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(seed=SEEDS)
def test_events_equal_motmetrics_on_random_distances(seed: int) -> None:
    """Longer and more crowded than the corpora: identities come, go and change, many distances are equal."""
    rng = np.random.default_rng(seed)
    length, truths, tracks = rng.integers(1, 15), rng.integers(0, 5), rng.integers(0, 6)
    present_truth = rng.random((length, truths)) < rng.choice([0.5, 0.9, 1.0])
    present = rng.random((length, tracks)) < rng.choice([0.5, 0.9, 1.0])
    distance = rng.choice([0.0, 0.1, 0.25, 0.5, np.nan], (length, truths, tracks))
    distance[~(present_truth[:, :, None] & present[:, None, :])] = np.nan
    counts = mot.gather([mot.count_events(present_truth, present, distance)])
    _same(mot.reduce(counts, np.ones((1, 1))), _motmetrics([(present_truth, present, distance)]))


def test_two_objects_that_swap_identities_halfway() -> None:
    """Four frames, two objects, eight boxes. Both tracks are right for two frames of each object.

    Identity: each track keeps one object for 2 frames, so 4 of 8 boxes: IDF1 = 2 * 4 / (8 + 8) = 0.5.
    CLEAR: every box matches, each object switches once: MOTA = 1 - 2 / 8. Video AP: IoU 2 / 6 < 0.5, so 0.
    Frame AP: every mask is right, so 1.
    """
    made = metric_corpus.dataset([truth_track(1, [LEFT] * 4), truth_track(2, [RIGHT] * 4)], {1: 4}, SIZE)
    swapped = [track([LEFT, LEFT, RIGHT, RIGHT], 0.9), track([RIGHT, RIGHT, LEFT, LEFT], 0.8)]
    result = scoring.evaluate(made, swapped)
    numbers = result["mot"]["class_aware"]["0.0"]
    assert numbers == {
        "IDF1": 0.5, "IDP": 0.5, "IDR": 0.5, "MOTA": 0.75, "recall": 1.0,
        "IDs": 2, "FP": 0, "FN": 0, "MT": 2, "ML": 0, "Frag": 0,
    }  # fmt: skip
    assert result["video_ap"]["AP"] == 0.0
    assert result["frame_ap"]["AP"] == pytest.approx(1.0)

    kept = scoring.evaluate(made, [track([LEFT] * 4, 0.9), track([RIGHT] * 4, 0.8)])
    assert kept["mot"]["class_aware"]["0.0"]["IDF1"] == 1.0
    assert kept["video_ap"]["AP"] == pytest.approx(1.0)


def test_one_object_split_over_two_tracks() -> None:
    """Each half has IoU 2/4: right at 0.5 only, so AP 0.1. IDTP 2 of 4 + 4 boxes: IDF1 0.5; one switch."""
    made = metric_corpus.dataset([truth_track(1, [LEFT] * 4)], {1: 4}, SIZE)
    halves = [track([LEFT, LEFT, None, None], 0.9), track([None, None, LEFT, LEFT], 0.8)]
    result = scoring.evaluate(made, halves, ["ap", "mot"])
    assert result["video_ap"]["AP"] == pytest.approx(0.1)
    assert result["video_ap"]["AP50"] == pytest.approx(1.0)
    numbers = result["mot"]["class_aware"]["0.0"]
    assert (numbers["IDF1"], numbers["IDs"], numbers["MOTA"]) == (0.5, 1, 0.75)


def test_scores_have_to_be_above_the_threshold() -> None:
    made = metric_corpus.dataset([truth_track(1, [LEFT])], {1: 1}, SIZE)
    result = scoring.evaluate(made, [track([LEFT], 0.3)], ["mot"])["mot"]["class_aware"]
    assert [result[above]["FN"] for above in ("0.0", "0.1", "0.3", "0.5")] == [0, 0, 1, 1]
    zero = scoring.evaluate(made, [track([LEFT], 0.0)], ["mot"])["mot"]["class_aware"]
    assert zero["0.0"]["FN"] == 1


def test_categories_matter_only_when_aware() -> None:
    made = metric_corpus.dataset([truth_track(1, [LEFT])], {1: 1}, SIZE, categories=2)
    result = scoring.evaluate(made, [track([LEFT], 0.9, category=2)], ["mot"])["mot"]
    assert result["class_agnostic"]["0.0"]["IDF1"] == 1.0
    assert result["class_aware"]["0.0"]["IDF1"] == 0.0


def test_a_match_is_carried_over_a_long_gap_and_counts_one_fragment() -> None:
    """Lost for eight frames, then two candidates: the old partner is kept although the other fits better."""
    close = rectangle(SIZE, 1, 0, 10, 10)
    gap: list[np.ndarray | None] = [None] * 8
    made = metric_corpus.dataset([truth_track(1, [LEFT] * 10)], {1: 10}, SIZE)
    tracks = [track([LEFT, *gap, close], 0.9), track([None, *gap, LEFT], 0.8)]
    numbers = scoring.evaluate(made, tracks, ["mot"])["mot"]["class_aware"]["0.0"]
    assert (numbers["IDs"], numbers["Frag"], numbers["FN"], numbers["FP"]) == (0, 1, 8, 1)


@pytest.mark.parametrize(("found", "tracked", "lost"), [(4, 1, 0), (3, 0, 0), (1, 0, 0), (0, 0, 1)])
def test_limits_of_mostly_tracked_and_mostly_lost(found: int, tracked: int, lost: int) -> None:
    """Of five frames: 4/5 = 0.8 is mostly tracked, 1/5 = 0.2 is not mostly lost."""
    made = metric_corpus.dataset([truth_track(1, [LEFT] * 5)], {1: 5}, SIZE)
    masks = [LEFT] * found + [RIGHT] * (5 - found)
    numbers = scoring.evaluate(made, [track(masks, 0.9)], ["mot"])["mot"]["class_aware"]["0.0"]
    assert (numbers["MT"], numbers["ML"]) == (tracked, lost)


def test_crowds_are_ordinary_objects_and_empty_masks_are_absent() -> None:
    empty = np.zeros(SIZE, dtype=bool)
    made = metric_corpus.dataset([truth_track(1, [LEFT, empty], crowd=True)], {1: 2}, SIZE)
    numbers = scoring.evaluate(made, [track([empty, None], 0.9)], ["mot"])["mot"]["class_aware"]["0.0"]
    assert (numbers["FN"], numbers["FP"]) == (1, 0)


def test_rates_without_objects_or_predictions_are_undefined() -> None:
    made = metric_corpus.dataset([], {1: 1}, SIZE)
    numbers = scoring.evaluate(made, [], ["mot"])["mot"]["class_aware"]["0.0"]
    assert [numbers[name] for name in mot.RATES] == [None] * 5
    assert [numbers[name] for name in mot.COUNTS] == [0] * 6


Frames = tuple[np.ndarray, np.ndarray, np.ndarray]


def _compare(made: Dataset, tracks: Sequence[Track], chosen: Sequence[tuple[bool, float]]) -> None:
    result = scoring.reduce(scoring.measure(made, tracks, ["mot"]), np.ones((1, len(made.videos))))
    for aware, above in chosen:
        expected = _motmetrics([_distances(made, tracks, video.id, aware, above) for video in made.videos])
        mode = "class_aware" if aware else "class_agnostic"
        _same({ours: result["mot", mode, str(above), ours] for ours in NAMES.values()}, expected)


def _same(found: dict[str, np.ndarray], expected: dict[str, float]) -> None:
    for theirs, ours in NAMES.items():
        value = expected[theirs]
        if np.isfinite(value):
            assert found[ours][0] == pytest.approx(value, rel=0, abs=1e-12), ours
        else:
            assert np.isnan(found[ours][0]), ours


def _distances(made: Dataset, tracks: Sequence[Track], video: int, aware: bool, above: float) -> Frames:
    """Presence and distances by the plainest possible code, pair by pair."""
    truth = made.tracks_by_video[video]
    found = [one for one in tracks if one.video_id == video and one.score > above]
    length = made.video_by_id[video].length
    distance = np.full((length, len(truth), len(found)), np.nan)
    present = [
        np.array(
            [[_box(one.segmentations[t]) is not None for one in side] for t in range(length)], dtype=bool
        )
        for side in (truth, found)
    ]
    for t, g, d in np.ndindex(*distance.shape):
        first, second = _box(truth[g].segmentations[t]), _box(found[d].segmentations[t])
        if first and second and (not aware or truth[g].category_id == found[d].category_id):
            width = min(first[0] + first[2], second[0] + second[2]) - max(first[0], second[0])
            height = min(first[1] + first[3], second[1] + second[3]) - max(first[1], second[1])
            shared = max(width, 0) * max(height, 0)
            iou = shared / (first[2] * first[3] + second[2] * second[3] - shared)
            distance[t, g, d] = 1 - iou if iou >= 0.5 else np.nan
    return present[0].reshape(length, len(truth)), present[1].reshape(length, len(found)), distance


def _box(segmentation: dict | None) -> tuple[float, float, float, float] | None:
    return rle.tight_box(segmentation) if segmentation is not None and rle.area(segmentation) else None


def _motmetrics(videos: Sequence[Frames]) -> dict[str, float]:
    """The overall row of py-motmetrics with its scipy solver."""
    accumulators = []
    with motmetrics.lap.set_default_solver("scipy"):
        for present_truth, present, distance in videos:
            accumulator = motmetrics.MOTAccumulator(auto_id=True)
            for t in range(len(distance)):
                g, d = np.flatnonzero(present_truth[t]), np.flatnonzero(present[t])
                accumulator.update(g, d, distance[t][np.ix_(g, d)])
            accumulators.append(accumulator)
        host = motmetrics.metrics.create()
        table = host.compute_many(accumulators, metrics=list(NAMES), generate_overall=True)
    return table.loc["OVERALL"].to_dict()
