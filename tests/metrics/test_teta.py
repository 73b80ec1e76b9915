"""TETA equals the public code of its authors (reference numbers made by running SysCV/tet)."""

from __future__ import annotations

import gzip
import json

import metric_corpus
import pytest
from metric_corpus import FIXTURES, rectangle, track, truth_track

import vis_bench
from vis_bench.metrics import teta
from vis_bench.scoring import evaluate as scoring

SIZE = (20, 40)
LEFT = rectangle(SIZE, 0, 0, 10, 10)
RIGHT = rectangle(SIZE, 20, 0, 10, 10)


def test_equals_the_public_code_on_twenty_made_data_sets() -> None:
    cases = json.loads(gzip.decompress((FIXTURES / "teta_cases.json.gz").read_bytes()))
    assert len(cases) == 20
    for case in cases:
        result = vis_bench.evaluate(case["predictions"], case["truth"], metrics="teta")["teta"]
        _same(result, case["reference"])


def test_equals_the_public_code_on_the_small_corpus() -> None:
    corpus = metric_corpus.load("small")
    expected = json.loads((FIXTURES / "teta_small_reference.json").read_text())
    _same(scoring.evaluate(corpus.dataset, corpus.tracks, ["teta"])["teta"], expected)


def test_a_wrong_class_costs_classification_alone() -> None:
    """Both masks are found and linked; one of the two objects is called by the other class."""
    truth = [truth_track(1, [LEFT, LEFT], category=1), truth_track(2, [RIGHT, RIGHT], category=2)]
    made = metric_corpus.dataset(truth, {1: 2}, SIZE, categories=2)
    found = [track([LEFT, LEFT], 0.9, category=1), track([RIGHT, RIGHT], 0.8, category=1)]
    numbers = scoring.evaluate(made, found, ["teta"])["teta"]["all"]
    assert (numbers["LocA"], numbers["AssocA"]) == (pytest.approx(1.0), pytest.approx(1.0))
    # class 1: 2 right, then 2 false claims where nobody of class 1 is and 2 on the object of class 2
    # class 2: 2 lost
    assert numbers["ClsRe"] == pytest.approx((2 / 2 + 0) / 2)
    assert numbers["ClsPr"] == pytest.approx((2 / 6 + 0) / 2)
    assert numbers["TETA"] == pytest.approx((1 + 1 + numbers["ClsA"]) / 3)


def test_nothing_to_find_is_undefined() -> None:
    made = metric_corpus.dataset([], {1: 1}, SIZE)
    assert scoring.evaluate(made, [track([LEFT], 0.9)], ["teta"])["teta"]["all"]["TETA"] is None


def _same(result: dict, expected: dict) -> None:
    assert result.keys() == expected.keys()
    for threshold, numbers in expected.items():
        assert result[threshold].keys() == set(teta.METRICS) == numbers.keys()
        for name, value in numbers.items():
            assert result[threshold][name] == pytest.approx(value, rel=0, abs=1e-12), (threshold, name)
