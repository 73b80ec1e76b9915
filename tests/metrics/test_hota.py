"""HOTA equals TrackEval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import metric_corpus
import numpy as np
import pytest
import trackeval_judge
from hypothesis import given, settings
from hypothesis import strategies as st
from metric_corpus import rectangle, track, truth_track

from vis_bench.metrics import hota
from vis_bench.scoring import evaluate as scoring
from vis_bench.types import Dataset, Track

SIZE = (20, 40)
LEFT = rectangle(SIZE, 0, 0, 10, 10)
RIGHT = rectangle(SIZE, 20, 0, 10, 10)


def test_equals_the_reference_numbers() -> None:
    corpus = metric_corpus.load("medium")
    result = scoring.evaluate(corpus.dataset, corpus.tracks, ["hota"])["hota"]
    keys = {
        "class_aware_all": ("class_aware", "all"),
        "class_aware>0.3": ("class_aware", "0.3"),
        "class_agnostic>0.3": ("class_agnostic", "0.3"),
    }
    assert corpus.reference["trackeval"].keys() == keys.keys()
    for key, (mode, above) in keys.items():
        for metric, value in corpus.reference["trackeval"][key]["HOTA"].items():
            ours = result[mode][above][metric.removesuffix("_mean")]
            assert ours == pytest.approx(value, rel=0, abs=1e-12), (key, metric)


def test_equals_trackeval_on_the_small_corpus() -> None:
    corpus = metric_corpus.load("small")
    _compare(*metric_corpus.in_content_order(corpus.dataset, corpus.tracks))


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_equals_trackeval_on_random_corpora_full_of_ties(seed: int) -> None:
    _compare(*metric_corpus.in_content_order(*metric_corpus.random_corpus(np.random.default_rng(seed))))


@pytest.mark.slow
def test_equals_trackeval_on_200_random_corpora_without_ties() -> None:
    for seed in range(200):
        _compare(*metric_corpus.untied_corpus(np.random.default_rng([17, seed])))


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_the_order_of_the_files_does_not_matter(seed: int) -> None:
    rng = np.random.default_rng(seed)
    made, tracks = metric_corpus.random_corpus(rng)
    names = ["hota", "hota_classes", "mot", "mot_masks", "mots", "teta", "duplicates"]
    shuffled = replace(made, tracks=tuple(made.tracks[i] for i in rng.permutation(len(made.tracks))))
    other = scoring.evaluate(shuffled, [tracks[i] for i in rng.permutation(len(tracks))], names)
    assert other == scoring.evaluate(made, tracks, names)


def _compare(made: Dataset, tracks: Sequence[Track]) -> None:
    numbers = scoring.evaluate(made, tracks, ["hota", "hota_classes", "hota_curves"])
    result = numbers["hota"]
    judge, classes = trackeval_judge.per_class("HOTA", made, tracks, True, -1.0)
    filled = {
        name: one
        for name, one in classes.items()
        if one["HOTA_TP"][0] + one["HOTA_FN"][0] + one["HOTA_FP"][0]
    }
    for category in made.categories:
        ours = numbers["hota_classes"]["all"]["per_category"][category.name]
        for metric in hota.METRICS:
            if str(category.id) in filled:
                value = np.mean(filled[str(category.id)][metric])
                assert ours[metric] == pytest.approx(value, rel=0, abs=1e-12), (category.name, metric)
            else:
                assert ours[metric] is None
    if filled:
        averaged = judge.combine_classes_class_averaged(classes, ignore_empty_classes=True)
        total = judge.combine_classes_det_averaged(classes)
        for metric in hota.METRICS:
            value = np.mean(averaged[metric])
            assert numbers["hota_classes"]["all"]["mean"][metric] == pytest.approx(value, rel=0, abs=1e-12)
            curve = numbers["hota_curves"]["class_aware"]["all"][metric]
            np.testing.assert_allclose(curve, total[metric], rtol=0, atol=1e-12)
    for mode, above in (("class_aware", "all"), ("class_aware", "0.3"), ("class_agnostic", "all")):
        expected = _trackeval(made, tracks, mode == "class_aware", -1.0 if above == "all" else 0.3)
        for metric in hota.METRICS:
            if expected is None:
                assert result[mode][above][metric] is None
            else:
                value = result[mode][above][metric]
                assert value == pytest.approx(expected[metric], rel=0, abs=1e-12), (mode, above, metric)


def test_two_objects_that_swap_identities_halfway() -> None:
    """All 8 masks are right, so DetA = LocA = 1. A pair shares 2 of 4 + 4 - 2 frames, so AssA = 1/3."""
    made = metric_corpus.dataset([truth_track(1, [LEFT] * 4), truth_track(2, [RIGHT] * 4)], {1: 4}, SIZE)
    swapped = [track([LEFT, LEFT, RIGHT, RIGHT], 0.9), track([RIGHT, RIGHT, LEFT, LEFT], 0.8)]
    numbers = scoring.evaluate(made, swapped, ["hota"])["hota"]["class_aware"]["all"]
    assert numbers["DetA"] == pytest.approx(1.0)
    assert numbers["LocA"] == pytest.approx(1.0)
    assert numbers["AssA"] == pytest.approx(1 / 3)
    assert numbers["HOTA"] == pytest.approx((1 / 3) ** 0.5)


def test_localisation_decides_how_many_thresholds_are_passed() -> None:
    """IoU 1/3 passes 0.05 to 0.30: six of 19. LocA is 1/3 there and, as in TrackEval, 1 elsewhere."""
    made = metric_corpus.dataset([truth_track(1, [LEFT])], {1: 1}, SIZE)
    found = [track([rectangle(SIZE, 5, 0, 10, 10)], 0.9)]
    numbers = scoring.evaluate(made, found, ["hota"])["hota"]["class_agnostic"]["all"]
    assert numbers["HOTA"] == pytest.approx(6 / 19)
    assert numbers["LocA"] == pytest.approx((6 / 3 + 13) / 19)


def test_scores_have_to_be_above_the_threshold() -> None:
    made = metric_corpus.dataset([truth_track(1, [LEFT])], {1: 1}, SIZE)
    result = scoring.evaluate(made, [track([LEFT], 0.3)], ["hota"])["hota"]["class_aware"]
    assert (result["all"]["HOTA"], result["0.3"]["HOTA"]) == (pytest.approx(1.0), 0.0)


def test_nothing_at_all_is_undefined_and_false_alarms_are_zero() -> None:
    made = metric_corpus.dataset([], {1: 1}, SIZE)
    assert scoring.evaluate(made, [], ["hota"])["hota"]["class_aware"]["all"]["HOTA"] is None
    alarm = scoring.evaluate(made, [track([LEFT], 0.9)], ["hota"])["hota"]
    assert alarm["class_aware"]["all"]["HOTA"] == 0.0


def _trackeval(made: Dataset, tracks: Sequence[Track], aware: bool, above: float) -> dict[str, float] | None:
    """TrackEval's detection-averaged combination of the classes, None where it has nothing to count."""
    judge, classes = trackeval_judge.per_class("HOTA", made, tracks, aware, above)
    total = judge.combine_classes_det_averaged(classes)
    if total["HOTA_TP"][0] + total["HOTA_FN"][0] + total["HOTA_FP"][0] == 0:
        return None
    return {metric: float(np.mean(total[metric])) for metric in hota.METRICS}
