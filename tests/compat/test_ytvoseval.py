"""The drop-in classes give the arrays of youtubevos/cocoapi (made by running its fork qjy981010/cocoapi)."""

from __future__ import annotations

import copy
import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vis_bench.compat import YTVOS, Params, YTVOSeval
from vis_bench.errors import DataError, UsageError

FIXTURES = Path(__file__).parents[1] / "fixtures" / "metrics"


def content(name: str) -> Any:
    return json.loads(gzip.decompress((FIXTURES / name).read_bytes()))


@pytest.fixture(scope="module")
def truth() -> YTVOS:
    return YTVOS(FIXTURES / "ovis_gt.json.gz")


def chosen(name: str, value: Any) -> Callable[[Params], None]:
    return lambda params: setattr(params, name, value)


VARIANTS = {
    "default": lambda params: None,
    "two_thresholds": chosen("iouThrs", np.array([0.3, 0.5])),
    "max_dets": chosen("maxDets", [1, 2, 3]),
    "areas": chosen("areaRng", [[0, 1e10], [0, 5000], [5000, 30000], [30000, 1e10]]),
    "categories": chosen("catIds", [1, 3]),
    "videos": chosen("vidIds", list(range(1, 21))),
    "no_categories": chosen("useCats", 0),
}


@pytest.mark.parametrize("name", VARIANTS)
def test_equals_the_official_evaluator(truth: YTVOS, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    expected = json.loads((FIXTURES / "ytvoseval_reference.json").read_text())[name]
    judge = YTVOSeval(truth, truth.loadRes(FIXTURES / "ovis_pred.json.gz"), "segm")
    VARIANTS[name](judge.params)
    judge.evaluate()
    judge.accumulate()
    judge.summarize()
    assert list(judge.eval["precision"].shape) == expected["shape"]
    assert judge.eval["precision"].sum() == pytest.approx(expected["precision_sum"], rel=1e-12)
    assert judge.eval["recall"].sum() == pytest.approx(expected["recall_sum"], rel=1e-12)
    np.testing.assert_allclose(judge.stats, expected["stats"], rtol=0, atol=1e-12)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 12
    if name == "default":
        text = " Average Precision  (AP) @[ IoU=0.50:0.95 | area=   all | maxDets=100 ] = "
        assert lines[0] == f"{text}{expected['stats'][0]:.3f}"


def test_inputs_are_not_changed(truth: YTVOS) -> None:
    found = content("ovis_pred.json.gz")[:20]
    before, truth_before = copy.deepcopy(found), copy.deepcopy(truth.dataset)
    judge = YTVOSeval(truth, truth.loadRes(found))
    judge.evaluate()
    assert found == before
    assert truth.dataset == truth_before


def test_no_predictions_score_zero_and_unknown_categories_are_left_out(truth: YTVOS) -> None:
    stranger = {**content("ovis_pred.json.gz")[0], "category_id": 99}
    for found in ([], [stranger]):
        judge = YTVOSeval(truth, truth.loadRes(found))
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
        assert judge.stats[0] == 0.0


def test_what_the_official_code_scores_wrongly_is_refused(truth: YTVOS) -> None:
    first = content("ovis_pred.json.gz")[0]
    judge = YTVOSeval(truth, truth.loadRes([{**first, "segmentations": first["segmentations"][:1]}]))
    with pytest.raises(DataError, match="segmentations"):
        judge.evaluate()
    with pytest.raises(DataError, match="video 999"):
        truth.loadRes([{**first, "video_id": 999}])
    with pytest.raises(UsageError, match="evaluate"):
        YTVOSeval(truth, truth.loadRes([])).accumulate()
    with pytest.raises(UsageError, match="bbox"):
        YTVOSeval(truth, truth.loadRes([]), "bbox")


def test_records_are_found_by_id(truth: YTVOS) -> None:
    annotation = truth.dataset["annotations"][0]
    video, category = annotation["video_id"], annotation["category_id"]
    ids = truth.getAnnIds(vidIds=video, catIds=[category])
    assert annotation["id"] in ids
    assert all(one["video_id"] == video for one in truth.loadAnns(ids))
    assert truth.getCatIds(catNms="c2") == [2]
    assert video in truth.getVidIds(catIds=category)
    assert len(truth.getVidIds()) == 50
    assert truth.loadVids(video)[0]["id"] == video
    frame = next(t for t, mask in enumerate(annotation["segmentations"]) if mask)
    assert truth.annToMask(annotation, frame).sum() == annotation["areas"][frame]
    results = truth.loadRes(content("ovis_pred.json.gz")[:2])
    assert sorted(results.anns) == [1, 2]
    assert results.anns[1]["avg_area"] == pytest.approx(np.mean([a for a in results.anns[1]["areas"] if a]))
