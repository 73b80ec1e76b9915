"""The metric of training loops gives the numbers of one evaluation, however the videos were shared out."""

from __future__ import annotations

import gzip
import json
import pickle
from pathlib import Path
from typing import Any

import pytest

import vis_bench
from vis_bench.compat import VideoInstanceMetric
from vis_bench.errors import DataError, UsageError

FIXTURES = Path(__file__).parents[1] / "fixtures" / "metrics"


@pytest.fixture(scope="module")
def corpus() -> tuple[dict[str, Any], list[dict[str, Any]]]:
    truth, found = (
        json.loads(gzip.decompress((FIXTURES / f"ovis_{name}.json.gz").read_bytes()))
        for name in ("gt", "pred")
    )
    return truth, found


def part(corpus: tuple[dict[str, Any], list[dict[str, Any]]], videos: set[int]) -> tuple[list, dict]:
    truth, found = corpus
    return [one for one in found if one["video_id"] in videos], {
        "videos": [one for one in truth["videos"] if one["id"] in videos],
        "annotations": [one for one in truth["annotations"] if one["video_id"] in videos],
    }


def test_batches_and_processes_give_the_numbers_of_one_evaluation(corpus) -> None:
    truth, found = corpus
    expected = vis_bench.evaluate(found, truth, metrics="all")
    first, second = (
        VideoInstanceMetric(truth["categories"], metrics="all", occlusion=True) for _ in range(2)
    )
    first.update(*part(corpus, set(range(31, 51))))
    for begin in (1, 11, 21):
        second.update(*part(corpus, set(range(begin, begin + 10))))
    first.merge([pickle.loads(pickle.dumps(second.state()))])
    assert first.compute() == expected


def test_a_video_counts_once(corpus) -> None:
    metric = VideoInstanceMetric(corpus[0]["categories"], metrics="official")
    with pytest.raises(UsageError, match="No video"):
        metric.compute()
    metric.update(*part(corpus, {1}))
    with pytest.raises(DataError, match="video 1 was measured before"):
        metric.update(*part(corpus, {1, 2}))
    with pytest.raises(DataError, match="video 1 was measured before"):
        metric.merge([metric.state()])
    metric.reset()
    metric.update(*part(corpus, {1}))
    assert metric.compute()["video_ap"]["AP"] is not None


def test_truth_without_annotations_is_refused(corpus) -> None:
    metric = VideoInstanceMetric(corpus[0]["categories"])
    with pytest.raises(DataError, match="no `annotations`"):
        metric.update([], {"videos": corpus[0]["videos"][:1]})
