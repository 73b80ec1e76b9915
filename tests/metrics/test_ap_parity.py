"""Video AP equals youtubevos/cocoapi on two corpora, and pycocotools' matching on random ones."""

from __future__ import annotations

import contextlib
import io
from collections import defaultdict

import metric_corpus
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools.cocoeval import COCOeval

from vis_bench.masks import rle
from vis_bench.metrics import video_ap
from vis_bench.metrics.overlap import video_overlap
from vis_bench.scoring import evaluate as scoring
from vis_bench.types import Dataset, Track

CORPORA = ("small", "medium")


@pytest.fixture(scope="module", params=CORPORA)
def corpus(request: pytest.FixtureRequest) -> metric_corpus.Corpus:
    return metric_corpus.load(request.param)


def test_precision_and_recall_are_equal_bit_for_bit(corpus: metric_corpus.Corpus) -> None:
    statistics = scoring.measure(corpus.dataset, corpus.tracks, ["ap"]).video_ap
    precision, recall = video_ap.precision_recall(statistics)
    np.testing.assert_array_equal(precision, corpus.arrays["precision"])
    np.testing.assert_array_equal(recall, corpus.arrays["recall"])


def test_sequence_iou_is_equal_bit_for_bit(corpus: metric_corpus.Corpus) -> None:
    compared = set()
    for video in corpus.dataset.videos:
        predicted = [track for track in corpus.tracks if track.video_id == video.id]
        truth = corpus.dataset.tracks_by_video[video.id]
        for group in video_ap.groups(video_overlap(video.id, video.length, truth, predicted)):
            key = f"iou_{video.id}_{group.category}"
            if key in corpus.arrays:
                np.testing.assert_array_equal(group.iou, corpus.arrays[key])
                compared.add(key)
    assert compared == {key for key in corpus.arrays if key.startswith("iou_")}


def test_means_are_equal(corpus: metric_corpus.Corpus) -> None:
    result = scoring.evaluate(corpus.dataset, corpus.tracks, ["ap"])
    reference = corpus.reference["ytvos"]
    unlabelled = {summary.name: -1 for summary in video_ap.OCCLUSION_SUMMARIES}
    _same_numbers(result["video_ap"], reference["summary"] | unlabelled)
    assert len(result["per_category"]) == len(reference["per_category"])
    for expected in reference["per_category"].values():
        numbers = {key: value for key, value in expected.items() if key != "name"}
        _same_numbers(result["per_category"][expected["name"]], numbers)


def test_ap_at_each_threshold_is_equal(corpus: metric_corpus.Corpus) -> None:
    statistics = scoring.measure(corpus.dataset, corpus.tracks, ["ap"]).video_ap
    summaries = [video_ap.ap.Summary(str(t), "precision", t, 0, 100) for t in range(10)]
    values = video_ap.ap.reduce(statistics, np.ones((1, len(corpus.dataset.videos))), summaries)
    expected = list(corpus.reference["ytvos"]["AP_per_iou"].values())
    np.testing.assert_allclose([values[str(t)][0] for t in range(10)], expected, rtol=0, atol=1e-12)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_random_corpora_match_pycocotools_on_whole_tracks(seed: int) -> None:
    """COCOeval fed with the IoU of whole tracks, computed from pixels, is an independent judge."""
    made, tracks = metric_corpus.random_corpus(np.random.default_rng(seed), large=True)
    judge = _TrackEvaluator(made, tracks)
    with contextlib.redirect_stdout(io.StringIO()):
        judge.evaluate()
        judge.accumulate()
    precision, recall = video_ap.precision_recall(scoring.measure(made, tracks, ["ap"]).video_ap)
    np.testing.assert_array_equal(precision, judge.eval["precision"])
    np.testing.assert_array_equal(recall, judge.eval["recall"])


class _TrackEvaluator(COCOeval):
    """pycocotools' evaluator where an image is a video and a detection is a track."""

    def __init__(self, made: Dataset, tracks: list[Track]) -> None:
        super().__init__(None, None, "segm")
        self.params.imgIds = [video.id for video in made.videos]
        self.params.catIds = [category.id for category in made.categories]
        self.params.areaRng = [[0, 1e10], [0, 128**2], [128**2, 256**2], [256**2, 1e10]]
        self.truth = [
            {
                "id": track.id,
                "image_id": track.video_id,
                "category_id": track.category_id,
                "iscrowd": int(track.is_crowd),
                "ignore": int(track.is_crowd),
                "area": _mean([a for a in track.areas if a]),
                "pixels": _pixels(track.segmentations, made.videos[0].height),
            }
            for track in made.tracks or ()
        ]
        self.found = []
        for i, track in enumerate(tracks):
            pixels = _pixels(track.segmentations, made.videos[0].height)
            areas = [int(frame.sum()) for frame in pixels]
            self.found.append(
                {
                    "id": i + 1,
                    "image_id": track.video_id,
                    "category_id": track.category_id,
                    "score": track.score,
                    "area": _mean([a for a in areas if a]),
                    "pixels": pixels,
                }
            )

    def _prepare(self) -> None:
        self._gts, self._dts = defaultdict(list), defaultdict(list)
        for one in self.truth:
            self._gts[one["image_id"], one["category_id"]].append(one)
        for one in self.found:
            self._dts[one["image_id"], one["category_id"]].append(one)

    def computeIoU(self, imgId: int, catId: int) -> np.ndarray | list:
        truth, found = self._gts[imgId, catId], self._dts[imgId, catId]
        if not truth or not found:
            return []
        found = [found[i] for i in np.argsort([-one["score"] for one in found], kind="mergesort")]
        return np.array([[_iou(d["pixels"], g["pixels"]) for g in truth] for d in found])


def _pixels(segmentations: tuple, side: int) -> np.ndarray:
    empty = np.zeros((side, side), dtype=bool)
    return np.array([empty if s is None else rle.decode(s) for s in segmentations])


def _iou(first: np.ndarray, second: np.ndarray) -> float:
    union = int((first | second).sum())
    return int((first & second).sum()) / union if union else 0.0


def _mean(areas: list) -> float:
    return float(np.mean(areas)) if areas else 0.0


def _same_numbers(found: dict, expected: dict) -> None:
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        if value == -1:
            assert found[key] is None, key
        else:
            assert found[key] == pytest.approx(value, rel=0, abs=1e-12), key
