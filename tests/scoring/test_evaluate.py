"""The machine contract of `evaluate`: keys, types, refusals, and what must not change the numbers."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from dataclasses import replace

import metric_corpus
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from metric_corpus import rectangle, track, truth_track

from vis_bench.errors import DataError, UsageError
from vis_bench.metrics.temporal_errors import KINDS
from vis_bench.scoring.evaluate import evaluate
from vis_bench.scoring.metric_names import METRICS
from vis_bench.types import Dataset, Track

SIZE = (20, 40)
LEFT = rectangle(SIZE, 0, 0, 10, 10)
TWELVE = {"AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl"}
ELEVEN = {"recall", "IDF1", "IDP", "IDR", "MOTA", "IDs", "FP", "FN", "MT", "ML", "Frag"}
NINE = {"HOTA", "DetA", "AssA", "LocA", "DetRe", "DetPr", "AssRe", "AssPr", "OWTA"}
OCCLUSION = {"APso", "APmo", "APho", "ARso", "ARmo", "ARho"}


@pytest.fixture
def made() -> Dataset:
    return metric_corpus.dataset([truth_track(1, [LEFT, LEFT])], {1: 2}, SIZE, categories=2)


def test_keys_and_types() -> None:
    corpus = metric_corpus.load("small")
    result = evaluate(corpus.dataset, corpus.tracks)
    assert result.keys() == {
        *("video_ap", "per_category", "frame_ap", "mot", "hota", "errors"),
        *("operating_point", "duplicates_per_100"),
    }
    assert result["video_ap"].keys() == TWELVE | OCCLUSION
    assert all(result["video_ap"][name] is None for name in OCCLUSION)
    assert list(result["per_category"]) == [category.name for category in corpus.dataset.categories]
    assert all(numbers.keys() == TWELVE for numbers in result["per_category"].values())
    assert result["frame_ap"].keys() == {"AP", "AP50"}
    for mode in ("class_agnostic", "class_aware"):
        assert list(result["mot"][mode]) == ["0.0", "0.1", "0.3", "0.5"]
        assert list(result["hota"][mode]) == ["all", "0.3"]
        for numbers in result["mot"][mode].values():
            assert numbers.keys() == ELEVEN
            assert all(type(numbers[name]) is int for name in ("IDs", "FP", "FN", "MT", "ML", "Frag"))
            assert all(type(numbers[name]) is float for name in ("IDF1", "IDP", "IDR", "MOTA"))
        assert all(numbers.keys() == NINE for numbers in result["hota"][mode].values())
    assert list(result["errors"]) == ["class_agnostic"]
    assert list(result["errors"]["class_agnostic"]) == ["0.3"]
    errors = result["errors"]["class_agnostic"]["0.3"]
    rates = [f"{kind}_per_100_frames" for kind in KINDS]
    assert errors.keys() == {"truth_frames", *KINDS, *rates}
    assert all(type(errors[name]) is int for name in ("truth_frames", *KINDS))
    assert all(type(errors[name]) is float for name in rates)
    point = result["operating_point"]
    assert list(point) == ["thresholds", "metric", "source", "mot", "hota"]
    assert (point["mot"].keys(), point["hota"].keys()) == (ELEVEN, NINE)
    assert type(point["mot"]["IDs"]) is int
    assert list(result["duplicates_per_100"]) == ["operating_point", "0.05"]
    assert type(result["video_ap"]["AP"]) is float
    assert result["per_category"]["sofa"]["AP"] is None
    assert json.loads(json.dumps(result, allow_nan=False)) == result


def test_only_what_was_asked_for(made: Dataset) -> None:
    tracks = [track([LEFT, LEFT], 0.9)]
    everything = evaluate(made, tracks, METRICS)
    keys = {metric: {metric} for metric in METRICS}
    keys |= {"video_ap": {"video_ap", "per_category"}, "duplicates": {"duplicates_per_100"}}
    for metric, expected in keys.items():
        part = evaluate(made, tracks, [metric])
        point = part.pop("operating_point", {})
        assert part == {key: everything[key] for key in expected}
        assert set(point) == (
            {"thresholds", "metric", "source", metric} if metric in ("mot", "hota") else set()
        )
        assert point == {key: everything["operating_point"][key] for key in point}


def test_truth_as_prediction_is_perfect() -> None:
    corpus = metric_corpus.load("small")
    drawn = [one for one in corpus.dataset.tracks or () if any(s is not None for s in one.segmentations)]
    truth = tuple(replace(one, is_crowd=False) for one in drawn)
    tracks = [Track(one.video_id, one.category_id, 0.9, one.segmentations) for one in truth]
    result = evaluate(replace(corpus.dataset, tracks=truth), tracks)
    assert result["video_ap"]["AP"] == pytest.approx(1.0)
    assert result["video_ap"]["AR100"] == pytest.approx(1.0)
    for numbers in result["mot"]["class_aware"].values():
        assert (numbers["IDF1"], numbers["MOTA"], numbers["IDs"]) == (1.0, 1.0, 0)
    assert not any(result["errors"]["class_agnostic"]["0.3"][kind] for kind in KINDS)


def test_inputs_are_not_modified() -> None:
    corpus = metric_corpus.load("small")
    before = copy.deepcopy((corpus.dataset, corpus.tracks))
    evaluate(corpus.dataset, corpus.tracks)
    assert (corpus.dataset, corpus.tracks) == before


def test_empty_predictions_score_zero(made: Dataset) -> None:
    result = evaluate(made, [])
    assert result["video_ap"]["AP"] == result["frame_ap"]["AP"] == 0.0
    assert result["mot"]["class_aware"]["0.0"]["MOTA"] == 0.0
    assert result["mot"]["class_aware"]["0.0"]["IDP"] is None
    assert result["hota"]["class_aware"]["all"]["HOTA"] == 0.0


def test_no_truth_at_all_is_undefined() -> None:
    result = evaluate(metric_corpus.dataset([], {1: 2}, SIZE), [track([LEFT, None], 0.9)])
    assert result["video_ap"]["AP"] is None
    assert result["frame_ap"]["AP"] is None
    assert result["mot"]["class_aware"]["0.0"]["MOTA"] is None
    assert result["errors"]["class_agnostic"]["0.3"]["lost"] == 0
    assert result["errors"]["class_agnostic"]["0.3"]["lost_per_100_frames"] is None


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_order_does_not_matter_without_ties(seed: int) -> None:
    """Shuffled videos, truth and predictions give the same AP, and the same unique identity measures."""
    rng = np.random.default_rng(seed)
    made, tracks = metric_corpus.random_corpus(rng)
    tracks = [replace(one, score=(i + 1) / 100) for i, one in enumerate(tracks)]
    # overlapping truth of one category is a tie of its own: the last one wins among equal IoUs
    truth = tuple({(one.video_id, one.category_id): one for one in made.tracks or ()}.values())
    made = replace(made, tracks=truth)

    def shuffled(items: tuple | list) -> tuple:
        return tuple(items[i] for i in rng.permutation(len(items)))

    other = replace(
        made, videos=shuffled(made.videos), tracks=shuffled(truth), categories=shuffled(made.categories)
    )
    first = evaluate(made, tracks, ["ap", "frame_ap", "mot"])
    second = evaluate(other, shuffled(tracks), ["ap", "frame_ap", "mot"])
    assert first["video_ap"] == second["video_ap"]
    assert first["per_category"] == second["per_category"]
    assert first["frame_ap"] == second["frame_ap"]
    for mode, settings_ in first["mot"].items():
        for above, numbers in settings_.items():
            for name in ("IDF1", "IDP", "IDR"):
                assert numbers[name] == second["mot"][mode][above][name]


def test_a_false_alarm_below_all_scores_changes_no_ap(made: Dataset) -> None:
    right = track([LEFT, LEFT], 0.9)
    noise = track([rectangle(SIZE, 20, 10, 5, 5), None], 0.1)
    assert evaluate(made, [right, noise], ["ap"])["video_ap"] == evaluate(made, [right], ["ap"])["video_ap"]


def test_hidden_truth_is_refused(made: Dataset) -> None:
    with pytest.raises(DataError, match="no public truth") as caught:
        evaluate(replace(made, tracks=None), [])
    assert caught.value.exit_code == 3
    assert "--truth FILE" in str(caught.value)


def test_unknown_names_are_refused(made: Dataset) -> None:
    with pytest.raises(UsageError, match="Did you mean 'hota'"):
        evaluate(made, [], ["hotta"])
    with pytest.raises(UsageError, match="'segm'"):
        evaluate(made, [], iou_type="segmn")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (track([LEFT], 0.9), "1 segmentations for video 1 of 2 frames"),
        (track([LEFT, LEFT, LEFT], 0.9), "3 segmentations for video 1 of 2 frames"),
        (track([LEFT, LEFT[:, :30]], 0.9), "frame 1 has size"),
        (track([LEFT, LEFT], float("nan")), "score is nan"),
        (track([LEFT, LEFT], float("inf")), "score is inf"),
        (track([LEFT, LEFT], 0.9, category=9), "category id 9"),
        (track([LEFT, LEFT], 0.9, video=7), "video id 7"),
        (Track(1, 1, 0.9, (None, None), boxes=((0.0, 0.0, 1.0, 1.0),)), "1 boxes for video 1 of 2 frames"),
    ],
)
def test_predictions_that_do_not_fit_are_refused(made: Dataset, bad: Track, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        evaluate(made, [track([LEFT, LEFT], 0.9), bad])
    assert "prediction 1" in str(caught.value)


def test_truth_that_does_not_fit_is_refused(made: Dataset) -> None:
    short = replace(made, tracks=(truth_track(5, [LEFT]),))
    with pytest.raises(DataError, match="annotation 5"):
        evaluate(short, [])


def test_scoring_needs_no_torch() -> None:
    code = "import sys, vis_bench.scoring.evaluate; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
