"""MOTSA, sMOTSA, MOTSP and the identity measures on masks equal TrackEval; MOT on masks equals its own
rule."""

from __future__ import annotations

from collections.abc import Sequence

import metric_corpus
import numpy as np
import pytest
import trackeval_judge
from hypothesis import given, settings
from hypothesis import strategies as st
from metric_corpus import rectangle, track, truth_track

from vis_bench.scoring import evaluate as scoring
from vis_bench.types import Dataset, Track

SIZE = (20, 60)
LEFT = rectangle(SIZE, 0, 0, 10, 10)
RIGHT = rectangle(SIZE, 30, 0, 10, 10)
CLEAR = {
    "TP": "CLR_TP",
    "FP": "CLR_FP",
    "FN": "CLR_FN",
    "IDs": "IDSW",
    "MT": "MT",
    "PT": "PT",
    "ML": "ML",
    "Frag": "Frag",
    "MOTSA": "MOTA",
    "sMOTSA": "sMOTA",
    "MOTSP": "MOTP",
}
IDENTITY = {"IDF1": "IDF1", "IDP": "IDP", "IDR": "IDR"}


def test_equals_trackeval_on_the_small_corpus() -> None:
    corpus = metric_corpus.load("small")
    _compare(*metric_corpus.in_content_order(corpus.dataset, corpus.tracks))


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_equals_trackeval_on_random_corpora_full_of_ties(seed: int) -> None:
    _compare(*metric_corpus.in_content_order(*metric_corpus.random_corpus(np.random.default_rng(seed))))


@pytest.mark.slow
def test_equals_trackeval_on_200_random_corpora_without_ties() -> None:
    for seed in range(200):
        _compare(*metric_corpus.untied_corpus(np.random.default_rng([18, seed])))


def test_a_match_goes_on_into_the_next_frame_only() -> None:
    """Track a, nobody (but something elsewhere), then a and b alike: MOTS may switch to the better b, MOT
    carries a on. b has IoU 1, a 90 / 110 in the last frame."""
    shifted = rectangle(SIZE, 1, 0, 10, 10)
    made = metric_corpus.dataset([truth_track(1, [LEFT] * 3)], {1: 3}, SIZE)
    found = [track([LEFT, None, shifted], 0.9), track([None, RIGHT, LEFT], 0.8)]
    result = scoring.evaluate(made, found, ["mots", "mot_masks"])
    assert result["mots"]["class_agnostic"]["all"]["IDs"] == 1
    assert result["mots"]["class_agnostic"]["all"]["MOTSP"] == pytest.approx(1.0)
    assert result["mot_masks"]["class_agnostic"]["0.3"]["IDs"] == 0


def test_soft_precision_and_accuracy_by_hand() -> None:
    """Two hits of IoU 1 and 90/110, one miss, one false positive, four objects... of three masks."""
    shifted = rectangle(SIZE, 1, 0, 10, 10)
    made = metric_corpus.dataset([truth_track(1, [LEFT] * 3)], {1: 3}, SIZE)
    found = [track([LEFT, shifted, RIGHT], 0.9)]
    numbers = scoring.evaluate(made, found, ["mots"])["mots"]["class_aware"]["all"]
    soft = 1 + 90 / 110
    assert numbers["MOTSA"] == pytest.approx((2 - 1) / 3)
    assert numbers["sMOTSA"] == pytest.approx((soft - 1) / 3)
    assert numbers["MOTSP"] == pytest.approx(soft / 2)
    assert numbers["IDF1"] == pytest.approx(2 / 3)


def test_mot_on_masks_asks_for_masks_that_overlap() -> None:
    """Two triangles-like halves of one box: equal tight boxes, but masks that share a third."""
    first, second = LEFT.copy(), LEFT.copy()
    first[0:5, 1:9] = False
    second[5:10, 1:9] = False
    made = metric_corpus.dataset([truth_track(1, [first])], {1: 1}, SIZE)
    result = scoring.evaluate(made, [track([second], 0.9)], ["mot", "mot_masks"])
    assert result["mot"]["class_agnostic"]["0.3"]["MOTA"] == 1.0
    assert result["mot_masks"]["class_agnostic"]["0.3"]["MOTA"] == -1.0


def _compare(made: Dataset, tracks: Sequence[Track]) -> None:
    result = scoring.evaluate(made, tracks, ["mots"])["mots"]
    for mode, name, above in (("class_aware", "all", -1.0), ("class_agnostic", "0.3", 0.3)):
        ours = result[mode][name]
        for metric, keys in (("CLEAR", CLEAR), ("Identity", IDENTITY)):
            judge, classes = trackeval_judge.per_class(metric, made, tracks, mode == "class_aware", above)
            total = judge.combine_classes_det_averaged(classes)
            for key, theirs in keys.items():
                if ours[key] is not None:
                    assert ours[key] == pytest.approx(total[theirs], rel=0, abs=1e-12), (mode, key)
