"""HOTA equals TrackEval."""

from __future__ import annotations

from collections.abc import Sequence

import metric_corpus
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from metric_corpus import rectangle, track, truth_track

from vis_bench.masks import rle
from vis_bench.metrics import hota
from vis_bench.scoring import evaluate as scoring
from vis_bench.types import Dataset, Track

SIZE = (20, 40)
LEFT = rectangle(SIZE, 0, 0, 10, 10)
RIGHT = rectangle(SIZE, 20, 0, 10, 10)


@pytest.mark.parametrize("name", ["small", "medium"])
def test_equals_the_reference_numbers(name: str) -> None:
    corpus = metric_corpus.load(name)
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


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_equals_trackeval_on_random_corpora(seed: int) -> None:
    made, tracks = metric_corpus.random_corpus(np.random.default_rng(seed))
    result = scoring.evaluate(made, tracks, ["hota"])["hota"]
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
    trackeval = pytest.importorskip("trackeval", reason="TrackEval is not installed")
    judge = trackeval.metrics.HOTA()
    classes = [category.id for category in made.categories] if aware else [None]
    per_class = {}
    for category in classes:
        sequences = {
            str(video.id): judge.eval_sequence(_sequence(made, tracks, video.id, category, above))
            for video in made.videos
        }
        per_class[str(category)] = judge.combine_sequences(sequences)
    total = judge.combine_classes_det_averaged(per_class)
    if total["HOTA_TP"][0] + total["HOTA_FN"][0] + total["HOTA_FP"][0] == 0:
        return None
    return {metric: float(np.mean(total[metric])) for metric in hota.METRICS}


def _sequence(made: Dataset, tracks: Sequence[Track], video: int, category: int | None, above: float) -> dict:
    def wanted(one) -> bool:
        return category is None or one.category_id == category

    truth = [one for one in made.tracks_by_video[video] if wanted(one)]
    found = [one for one in tracks if one.video_id == video and wanted(one) and one.score > above]
    truth = [one for one in truth if any(one.segmentations)]
    found = [one for one in found if any(one.segmentations)]
    data: dict = {"gt_ids": [], "tracker_ids": [], "similarity_scores": []}
    for t in range(made.video_by_id[video].length):
        g = [i for i, one in enumerate(truth) if one.segmentations[t]]
        d = [i for i, one in enumerate(found) if one.segmentations[t]]
        data["gt_ids"].append(np.array(g, dtype=int))
        data["tracker_ids"].append(np.array(d, dtype=int))
        iou = [[_iou(truth[i].segmentations[t], found[j].segmentations[t]) for j in d] for i in g]
        data["similarity_scores"].append(np.array(iou, dtype=float).reshape(len(g), len(d)))
    data["num_gt_ids"], data["num_tracker_ids"] = len(truth), len(found)
    data["num_gt_dets"] = sum(len(ids) for ids in data["gt_ids"])
    data["num_tracker_dets"] = sum(len(ids) for ids in data["tracker_ids"])
    return data


def _iou(first: dict, second: dict) -> float:
    a, b = rle.decode(first), rle.decode(second)
    union = int((a | b).sum())
    return int((a & b).sum()) / union if union else 0.0
