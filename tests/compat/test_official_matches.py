"""`ious`, `evalImgs` and `eval["scores"]` are those of youtubevos/cocoapi f3f9948 (made by running it)."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from vis_bench.compat import YTVOS, YTVOSeval

FIXTURES = Path(__file__).parents[1] / "fixtures" / "metrics"
OF_ONE_VIDEO = ("dtIds", "gtIds", "dtMatches", "gtMatches", "dtScores", "gtIgnore", "dtIgnore")


def judged(use_categories: int) -> YTVOSeval:
    truth = YTVOS(FIXTURES / "ovis_gt.json.gz")
    judge = YTVOSeval(truth, truth.loadRes(FIXTURES / "ovis_pred.json.gz"))
    judge.params.useCats = use_categories
    judge.evaluate()
    judge.accumulate()
    return judge


@pytest.mark.parametrize(("name", "use_categories"), [("default", 1), ("no_categories", 0)])
def test_what_is_kept_of_every_video_equals_the_official_class(name: str, use_categories: int) -> None:
    expected = json.loads((FIXTURES / "ytvoseval_matches_reference.json").read_text())[name]
    judge = judged(use_categories)
    assert judge.eval["scores"].sum() == pytest.approx(expected["scores_sum"], rel=1e-12)
    ious = judge.ious
    assert len(ious) == expected["ious"]
    assert sum(np.sum(one) for one in ious.values()) == pytest.approx(expected["ious_sum"], rel=1e-12)
    found = judge.evalImgs
    assert len(found) == expected["entries"]
    filled = [one for one in found if one is not None]
    assert len(filled) == expected["filled"]
    for key in OF_ONE_VIDEO:
        # weighted by place, so that exchanged videos do not go unseen
        total = sum((n + 1) * np.asarray(one[key], dtype=float).sum() for n, one in enumerate(filled))
        assert total == pytest.approx(expected[key], rel=1e-12), key
    one = found[expected["one_at"]]
    assert one is not None
    assert set(one) == set(expected["one"])
    for key, value in expected["one"].items():
        np.testing.assert_array_equal(np.asarray(one[key], dtype=float), np.asarray(value, dtype=float))


def test_before_evaluation_there_is_nothing() -> None:
    truth = YTVOS(FIXTURES / "ovis_gt.json.gz")
    judge = YTVOSeval(truth, truth.loadRes([]))
    assert judge.evalImgs == []
    assert judge.ious == {}
    assert judge.params.useSegm is None
    assert not judge.evalVids


def test_a_crowd_names_its_last_match_and_truth_that_is_ignored_comes_last() -> None:
    whole, left = {"size": [2, 2], "counts": "04"}, {"size": [2, 2], "counts": "022"}
    truth = YTVOS()
    truth.dataset = {
        "videos": [{"id": 7, "width": 2, "height": 2, "file_names": ["a/0.jpg"]}],
        "categories": [{"id": 3, "name": "square"}],
        "annotations": [
            {"id": 11, "video_id": 7, "category_id": 3, "iscrowd": 1, "segmentations": [whole]},
            {"id": 12, "video_id": 7, "category_id": 3, "iscrowd": 0, "segmentations": [left]},
        ],
    }
    truth.createIndex()
    track = {"video_id": 7, "category_id": 3}
    found = [{**track, "score": score, "segmentations": [whole]} for score in (0.5, 0.9)]
    judge = YTVOSeval(truth, truth.loadRes(found))
    judge.params.iouThrs = np.array([0.6])
    judge.evaluate()
    one = judge.evalImgs[0]
    assert one is not None
    # IoU of `whole` is 1 with the crowd and 2 / 4 with the other object, which is below 0.6
    np.testing.assert_array_equal(judge.ious[7, 3], [[1.0, 0.5], [1.0, 0.5]])
    assert one["dtIds"] == [2, 1]
    assert one["gtIds"] == [12, 11]
    assert one["gtIgnore"].tolist() == [0, 1]
    assert one["dtMatches"].tolist() == [[11, 11]]
    assert one["gtMatches"].tolist() == [[0, 1]]
    assert one["dtIgnore"].tolist() == [[True, True]]
