"""AP by occlusion equals the evaluator of OVIS (reference numbers made by running qjy981010/cocoapi)."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace

import metric_corpus
import numpy as np
import pytest
from metric_corpus import FIXTURES, rectangle, track, truth_track

import vis_bench
from vis_bench.errors import DataError
from vis_bench.metrics.occlusion import occlusion
from vis_bench.scoring import evaluate as scoring

SIZE = (20, 40)
LEFT = rectangle(SIZE, 0, 0, 10, 10)
RIGHT = rectangle(SIZE, 20, 0, 10, 10)


def labelled(identity: int, mask: np.ndarray, labels: list[str | None] | None):
    one = truth_track(identity, [mask] * 4)
    return one if labels is None else replace(one, extra={"occlusion": labels})


def test_eighteen_numbers_equal_the_public_evaluator_on_50_videos() -> None:
    expected = json.loads((FIXTURES / "ovis_reference.json").read_text())
    truth = json.loads(gzip.decompress((FIXTURES / "ovis_gt.json.gz").read_bytes()))
    found = json.loads(gzip.decompress((FIXTURES / "ovis_pred.json.gz").read_bytes()))
    assert len(truth["videos"]) == 50
    result = vis_bench.evaluate(found, truth, metrics="official")
    assert result["video_ap"].keys() == expected.keys()
    for name, value in expected.items():
        assert result["video_ap"][name] == pytest.approx(value, rel=0, abs=1e-12), name
    assert all(row.keys() == expected.keys() for row in result["per_category"].values())


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (["no_occlusion", "severe_occlusion", None, "slight_occlusion"], 0.5),  # the upper two of three
        (["no_occlusion"] * 4, 0.0),
        (["slight_occlusion", None, None, None], 0.25),
        ([None] * 4, None),
        (None, None),
    ],
)
def test_occlusion_of_an_object(labels: list[str | None] | None, expected: float | None) -> None:
    found = occlusion(labelled(1, LEFT, labels))
    assert np.isnan(found) if expected is None else found == expected


def test_an_object_on_a_limit_is_in_both_ranges_and_one_without_labels_in_none() -> None:
    """Object 1 (0.5) is moderately and heavily occluded and missed; object 2 has no labels and is found."""
    upper_half_severe_and_slight = [
        "severe_occlusion",
        "slight_occlusion",
        "slight_occlusion",
        "no_occlusion",
    ]
    truth = [labelled(1, LEFT, upper_half_severe_and_slight), labelled(2, RIGHT, None)]
    made = metric_corpus.dataset(truth, {1: 4}, SIZE)
    numbers = scoring.evaluate(made, [track([RIGHT] * 4, 0.9)], ["video_ap"])["video_ap"]
    assert (numbers["APso"], numbers["APmo"], numbers["APho"]) == (None, 0.0, 0.0)
    assert numbers["AR100"] == pytest.approx(0.5)


def test_an_unknown_label_beside_known_ones_is_refused() -> None:
    made = metric_corpus.dataset([labelled(1, LEFT, ["no_occlusion", "hidden", None, [3]])], {1: 4}, SIZE)
    with pytest.raises(DataError, match="annotation 1: `occlusion` must be a list of no_occlusion"):
        scoring.evaluate(made, [], ["video_ap"])


@pytest.mark.parametrize(
    "other", [0.4, "high", ["hidden"] * 4, [0.1, None], {"level": 2}, [["no_occlusion"]]]
)
def test_a_field_of_that_name_with_another_meaning_is_not_used(other: object) -> None:
    made = metric_corpus.dataset([replace(labelled(1, LEFT, None), extra={"occlusion": other})], {1: 4}, SIZE)
    numbers = scoring.evaluate(made, [track([LEFT] * 4, 0.9)], ["video_ap"])["video_ap"]
    assert numbers["AP"] == pytest.approx(1.0)
    assert (numbers["APso"], numbers["APho"]) == (None, None)
